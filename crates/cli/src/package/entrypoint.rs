//! Finding the entry point of a folder, so that plain code deploys without any settings.
//!
//! The search is by convention and by looking at lines, never by running code: an executable `bootstrap` is a
//! native function; otherwise the first known file name wins that seems to define a handler. A wrong guess is
//! shown to the user with the deployment and is overruled by `--handler`.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::PackageError;

/// What runs a function, as far as its files can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// CPython.
    Python,
    /// Node.js.
    Node,
    /// Ruby.
    Ruby,
    /// An executable `bootstrap`.
    Provided,
}

/// How a function is entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entrypoint {
    /// What runs it.
    pub language: Language,
    /// In Lambda's notation, such as `app.handler`.
    pub handler: String,
}

const PYTHON_FILES: [&str; 4] = ["lambda_function", "app", "main", "handler"];
const PYTHON_NAMES: [&str; 2] = ["lambda_handler", "handler"];
const RUBY_FILES: [&str; 4] = PYTHON_FILES;
const RUBY_NAMES: [&str; 2] = PYTHON_NAMES;
const NODE_FILES: [&str; 4] = ["index", "app", "main", "handler"];
const NODE_SUFFIXES: [&str; 3] = ["mjs", "js", "cjs"];

impl Language {
    /// The language of a runtime identifier, if it is one that can be recognised in a folder.
    #[must_use]
    pub fn of_runtime(runtime: &str) -> Option<Self> {
        match runtime {
            _ if runtime.starts_with("python") => Some(Self::Python),
            _ if runtime.starts_with("nodejs") => Some(Self::Node),
            _ if runtime.starts_with("ruby") => Some(Self::Ruby),
            _ if runtime.starts_with("provided") => Some(Self::Provided),
            _ => None,
        }
    }

    /// The newest runtime of this language among those that a server offers.
    #[must_use]
    pub fn newest_of<'a>(self, offered: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
        offered
            .into_iter()
            .filter(|runtime| Self::of_runtime(runtime) == Some(self))
            .max_by_key(|runtime| version_of(runtime))
    }

    /// The name for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Python => "Python",
            Self::Node => "Node.js",
            Self::Ruby => "Ruby",
            Self::Provided => "native",
        }
    }
}

/// The numbers in an identifier, so that `python3.10` is newer than `python3.9`.
fn version_of(runtime: &str) -> Vec<u32> {
    runtime.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

/// Finds the entry point by convention.
pub(super) fn find(dir: &Path, language: Option<Language>) -> Result<Entrypoint, PackageError> {
    let wanted = |candidate| language.is_none_or(|language| language == candidate);
    let found = wanted(Language::Provided)
        .then(|| bootstrap(dir))
        .flatten()
        .or_else(|| wanted(Language::Python).then(|| python(dir)).flatten())
        .or_else(|| wanted(Language::Node).then(|| node(dir)).flatten())
        .or_else(|| wanted(Language::Ruby).then(|| ruby(dir)).flatten());
    found.ok_or_else(|| PackageError::NoEntrypoint { path: dir.to_owned(), looked_for: looked_for(language) })
}

/// Finds what runs a handler that the user named.
pub(super) fn of_handler(
    dir: &Path,
    language: Option<Language>,
    handler: &str,
) -> Result<Entrypoint, PackageError> {
    let entered = |language| Entrypoint { language, handler: handler.to_owned() };
    if let Some(language) = language {
        return Ok(entered(language));
    }
    let module = handler.rsplit_once('.').map_or(handler, |(module, _)| module);
    if dir.join(format!("{module}.py")).is_file()
        || dir.join(module.replace('.', "/")).with_extension("py").is_file()
    {
        return Ok(entered(Language::Python));
    }
    if NODE_SUFFIXES.iter().any(|suffix| dir.join(format!("{module}.{suffix}")).is_file()) {
        return Ok(entered(Language::Node));
    }
    // Ruby's notation goes on with classes: `file.Class.method`.
    let file = handler.split('.').next().unwrap_or(handler);
    if dir.join(format!("{file}.rb")).is_file() {
        return Ok(entered(Language::Ruby));
    }
    if is_executable(&dir.join("bootstrap")) {
        return Ok(entered(Language::Provided));
    }
    let looked_for = format!("{handler:?} names no .py, .mjs, .js, .cjs or .rb file in it");
    Err(PackageError::NoEntrypoint { path: dir.to_owned(), looked_for })
}

fn looked_for(language: Option<Language>) -> String {
    let bootstrap = "an executable `bootstrap`";
    let python = "lambda_function.py, app.py, main.py or handler.py with `lambda_handler` or `handler`";
    let node = "index, app, main or handler with .mjs, .js or .cjs that exports `handler`";
    let ruby = "lambda_function.rb, app.rb, main.rb or handler.rb with `lambda_handler` or `handler`";
    match language {
        Some(Language::Provided) => format!("looked for {bootstrap}"),
        Some(Language::Python) => format!("looked for {python}"),
        Some(Language::Node) => format!("looked for {node}"),
        Some(Language::Ruby) => format!("looked for {ruby}"),
        None => format!("looked for {bootstrap}; {python}; {node}; {ruby}"),
    }
}

fn bootstrap(dir: &Path) -> Option<Entrypoint> {
    is_executable(&dir.join("bootstrap"))
        .then(|| Entrypoint { language: Language::Provided, handler: "bootstrap".to_owned() })
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o100 != 0)
}

fn python(dir: &Path) -> Option<Entrypoint> {
    PYTHON_FILES.iter().find_map(|file| {
        let text = std::fs::read_to_string(dir.join(format!("{file}.py"))).ok()?;
        let name =
            PYTHON_NAMES.into_iter().find(|name| text.lines().any(|line| defines_python(line, name)))?;
        Some(Entrypoint { language: Language::Python, handler: format!("{file}.{name}") })
    })
}

/// `def name(…`, or `name = …` as frameworks have it, at the top level.
fn defines_python(line: &str, name: &str) -> bool {
    let after_def = line.strip_prefix("def ").map(str::trim_start).and_then(|rest| rest.strip_prefix(name));
    let after_name = line.strip_prefix(name).map(str::trim_start);
    after_def.is_some_and(|rest| rest.trim_start().starts_with('('))
        || after_name.is_some_and(|rest| rest.starts_with('=') && !rest.starts_with("=="))
}

/// A `def` at the top level; handlers in classes are named with `--handler`.
fn ruby(dir: &Path) -> Option<Entrypoint> {
    RUBY_FILES.iter().find_map(|file| {
        let text = std::fs::read_to_string(dir.join(format!("{file}.rb"))).ok()?;
        let defines = |name: &str| {
            text.lines()
                .any(|line| line.strip_prefix("def ").is_some_and(|rest| starts_with_word(rest, name)))
        };
        let name = RUBY_NAMES.into_iter().find(|name| defines(name))?;
        Some(Entrypoint { language: Language::Ruby, handler: format!("{file}.{name}") })
    })
}

fn starts_with_word(text: &str, word: &str) -> bool {
    let rest = text.trim_start().strip_prefix(word);
    rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
}

fn node(dir: &Path) -> Option<Entrypoint> {
    let candidates =
        NODE_FILES.iter().flat_map(|file| NODE_SUFFIXES.iter().map(move |suffix| (file, suffix)));
    candidates
        .filter_map(|(file, suffix)| {
            std::fs::read_to_string(dir.join(format!("{file}.{suffix}"))).ok().map(|text| (file, text))
        })
        .find(|(_, text)| exports_handler(text))
        .map(|(file, _)| Entrypoint { language: Language::Node, handler: format!("{file}.handler") })
}

/// A line that exports something called `handler`; bundlers split `module.exports = {…}` over lines, so an
/// export list counts when the word follows anywhere after it.
fn exports_handler(text: &str) -> bool {
    text.lines().any(|line| line.contains("export") && has_word(line, "handler"))
        || ["module.exports", "export {"]
            .iter()
            .any(|start| text.split_once(start).is_some_and(|(_, rest)| has_word(rest, "handler")))
}

fn has_word(text: &str, word: &str) -> bool {
    let part_of_name = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    text.match_indices(word).any(|(at, _)| {
        !text[..at].ends_with(part_of_name) && !text[at + word.len()..].starts_with(part_of_name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str, u32)], language: Option<Language>) -> Option<(Language, String)> {
        let dir = tempfile::tempdir().expect("a temporary folder");
        for (name, text, mode) in files {
            std::fs::write(dir.path().join(name), text).expect("written");
            std::fs::set_permissions(dir.path().join(name), std::fs::Permissions::from_mode(*mode))
                .expect("set");
        }
        find(dir.path(), language).ok().map(|found| (found.language, found.handler))
    }

    fn check(name: &str, text: &str, expect: Option<(Language, &str)>) {
        let expect = expect.map(|(language, handler)| (language, handler.to_owned()));
        assert_eq!(found(&[(name, text, 0o644)], None), expect, "{name}: {text}");
    }

    #[test]
    fn python_by_convention() {
        let python = |handler| Some((Language::Python, handler));
        check("lambda_function.py", "def lambda_handler(e, c):\n", python("lambda_function.lambda_handler"));
        check("app.py", "import os\ndef handler(e, c):\n", python("app.handler"));
        check("main.py", "handler = Mangum(app)\n", python("main.handler"));
        check("handler.py", "def  lambda_handler (e, c): pass", python("handler.lambda_handler"));
        check("app.py", "def handler_of(x):\n    def handler(e, c):\n", None);
        check("app.py", "handler == 1", None);
        check("other.py", "def handler(e, c): pass", None);
    }

    #[test]
    fn node_by_convention() {
        let node = |handler| Some((Language::Node, handler));
        check("index.mjs", "export const handler = async () => 1", node("index.handler"));
        check("index.js", "exports.handler = async () => 1", node("index.handler"));
        check("app.cjs", "module.exports = {\n  handler: () => 1,\n}", node("app.handler"));
        check("index.mjs", "async function handler() {}\nexport {\n  handler,\n}", node("index.handler"));
        check("index.js", "exports.handlers = []", None);
        check("index.js", "const handler = 1", None);
    }

    #[test]
    fn ruby_by_convention() {
        let ruby = |handler| Some((Language::Ruby, handler));
        check(
            "lambda_function.rb",
            "require 'json'\ndef lambda_handler(event:, context:)\n",
            ruby("lambda_function.lambda_handler"),
        );
        check("app.rb", "def handler event:, context:", ruby("app.handler"));
        check("app.rb", "def handlers(event:)", None);
        check("app.rb", "  def handler(event:, context:)", None);
    }

    #[test]
    fn bootstrap_must_be_executable_and_comes_first() {
        let provided = Some((Language::Provided, "bootstrap".to_owned()));
        let python = ("app.py", "def handler(e, c): pass", 0o644);
        assert_eq!(found(&[("bootstrap", "", 0o755), python], None), provided);
        let only_python = Some((Language::Python, "app.handler".to_owned()));
        assert_eq!(found(&[("bootstrap", "", 0o644), python], None), only_python);
        assert_eq!(found(&[("bootstrap", "", 0o755), python], Some(Language::Python)), only_python);
        assert_eq!(found(&[python], Some(Language::Node)), None);
    }

    #[test]
    fn a_named_handler_tells_the_language_by_its_file() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        std::fs::create_dir(dir.path().join("src")).expect("made");
        std::fs::write(dir.path().join("src/jobs.py"), "").expect("written");
        std::fs::write(dir.path().join("worker.mjs"), "").expect("written");
        std::fs::write(dir.path().join("tasks.rb"), "").expect("written");
        let language = |handler| of_handler(dir.path(), None, handler).ok().map(|found| found.language);
        assert_eq!(language("src/jobs.run"), Some(Language::Python));
        assert_eq!(language("src.jobs.run"), Some(Language::Python));
        assert_eq!(language("worker.run"), Some(Language::Node));
        assert_eq!(language("tasks.Tasks.run"), Some(Language::Ruby));
        assert_eq!(language("absent.run"), None);
    }

    #[test]
    fn the_newest_runtime_is_by_number_not_by_text() {
        let offered =
            ["python3.9", "python3.11", "nodejs20.x", "nodejs9.x", "provided.al2", "provided.al2023"];
        assert_eq!(Language::Python.newest_of(offered), Some("python3.11"));
        assert_eq!(Language::Node.newest_of(offered), Some("nodejs20.x"));
        assert_eq!(Language::Provided.newest_of(offered), Some("provided.al2023"));
        assert_eq!(Language::Node.newest_of(["python3.9"]), None);
    }
}
