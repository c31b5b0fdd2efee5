//! Rules for Rust sources: module documentation, sizes, names, unfinished marks, and where `unsafe` may stand.
//!
//! What a compiler lint can say better is left to the lints of `Cargo.toml`. A function or file that is long
//! because it is a table says so: `// tidy: table` on the line above the function (or its attributes), or as
//! a line of its own in the file.

use super::mask::{Masked, mask};
use super::{Finding, is_generated};

/// A module states what it owns, what it must not touch, what always holds: hardly possible in one line.
const DOC_LINES_MIN: usize = 2;
const FILE_LINES_WARN: usize = 600;
const FILE_LINES_MAX: usize = 1000;
const FUNCTION_LINES_MAX: usize = 70;

/// Names that say nothing about what lives there, and so attract everything.
const BANNED_MODULES: &[&str] = &["utils", "util", "helpers", "helper", "common", "misc"];

/// The only place for code that the compiler cannot check.
const UNSAFE_FOLDER: &str = "crates/sandbox/";

const TABLE_MARK: &str = "// tidy: table";

/// Everything the rules have to say about one source file.
pub fn check(file: &str, text: &str) -> Vec<Finding> {
    let masked = mask(text);
    let mut findings = Vec::from_iter(module_name(file));
    findings.extend(unsafe_code(file, &masked));
    if is_generated(file, text) {
        return findings;
    }
    findings.extend(module_documentation(file, text));
    findings.extend(file_length(file, text));
    findings.extend(function_lengths(file, text, &masked));
    findings.extend(leftovers(file, &masked));
    findings.extend(tabs(file, text));
    findings
}

fn module_name(file: &str) -> Option<Finding> {
    let banned = file
        .split('/')
        .map(|part| part.trim_end_matches(".rs"))
        .find(|part| BANNED_MODULES.contains(part))?;
    Some(Finding::failure(file, 0, format!("`{banned}` says nothing: put the code where its noun lives")))
}

fn module_documentation(file: &str, text: &str) -> Option<Finding> {
    let lines = text.lines().take_while(|line| line.starts_with("//!")).filter(|line| line.len() > 3).count();
    (lines < DOC_LINES_MIN).then(|| {
        let message = "must open with `//!` lines: what it owns, what it must not touch, what always holds";
        Finding::failure(file, 1, message)
    })
}

fn file_length(file: &str, text: &str) -> Option<Finding> {
    let lines = text.lines().count();
    if lines <= FILE_LINES_WARN
        || text.lines().any(|line| line.trim() == TABLE_MARK && !line.starts_with(' '))
    {
        return None;
    }
    if lines > FILE_LINES_MAX {
        return Some(Finding::failure(file, 0, format!("{lines} lines; the limit is {FILE_LINES_MAX}")));
    }
    Some(Finding::warning(file, 0, format!("{lines} lines; think of a cut before {FILE_LINES_MAX}")))
}

fn function_lengths(file: &str, text: &str, masked: &Masked) -> Vec<Finding> {
    let lines: Vec<&str> = text.lines().collect();
    let too_long =
        functions(&masked.code).into_iter().filter(|function| function.lines() > FUNCTION_LINES_MAX);
    too_long
        .filter(|function| !marked_as_table(&lines, function.first_line))
        .map(|function| {
            let message = format!(
                "`{}` has {} lines; the limit is {FUNCTION_LINES_MAX}",
                function.name,
                function.lines()
            );
            Finding::failure(file, function.first_line, message)
        })
        .collect()
}

/// Whether the mark stands above the function, its documentation and attributes in between.
fn marked_as_table(lines: &[&str], first_line: usize) -> bool {
    let above = lines[..first_line.saturating_sub(1)].iter().rev().map(|line| line.trim());
    above.take_while(|line| line.starts_with("//") || line.starts_with('#')).any(|line| line == TABLE_MARK)
}

/// One function with a body.
#[derive(Debug, PartialEq, Eq)]
struct Function {
    name: String,
    /// The line of `fn`, from 1.
    first_line: usize,
    /// The line of the closing brace.
    last_line: usize,
}

impl Function {
    fn lines(&self) -> usize {
        self.last_line - self.first_line + 1
    }
}

/// Finds the functions of masked code by their keyword and their braces. Functions inside functions are
/// found as well, and count towards both.
fn functions(code: &str) -> Vec<Function> {
    let mut found = Vec::new();
    for (at, _) in words(code, "fn") {
        let name = code[at + 2..].trim_start();
        let name: String = name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        // `fn(u8) -> u8` is a type.
        if name.is_empty() {
            continue;
        }
        if let Some(end) = body_end(code, at) {
            found.push(Function { name, first_line: line_of(code, at), last_line: line_of(code, end) });
        }
    }
    found
}

/// The place of the brace that closes the body of the function declared at `at`; none for a bare signature.
fn body_end(code: &str, at: usize) -> Option<usize> {
    let (mut nested, mut braces) = (0_usize, 0_usize);
    for (offset, byte) in code.as_bytes().iter().enumerate().skip(at) {
        match byte {
            // In a signature, braces may stand inside brackets: `[u8; { N }]`.
            b'(' | b'[' if braces == 0 => nested += 1,
            b')' | b']' if braces == 0 => nested = nested.saturating_sub(1),
            b';' if braces == 0 && nested == 0 => return None,
            b'{' if nested == 0 => braces += 1,
            b'}' if nested == 0 => {
                braces = braces.checked_sub(1)?;
                if braces == 0 {
                    return Some(offset);
                }
            }
            _ => {}
        }
    }
    None
}

fn unsafe_code(file: &str, masked: &Masked) -> Option<Finding> {
    if file.starts_with(UNSAFE_FOLDER) {
        return None;
    }
    let (at, _) = words(&masked.code, "unsafe").next()?;
    Some(Finding::failure(file, line_of(&masked.code, at), format!("unsafe code belongs in {UNSAFE_FOLDER}")))
}

/// Marks of unfinished work. Spelt in parts so that a search for them does not find this file.
fn leftovers(file: &str, masked: &Masked) -> Vec<Finding> {
    let in_code = ["todo", "unimplemented", "dbg"]
        .into_iter()
        .flat_map(|name| words(&masked.code, name))
        .filter(|(at, name)| masked.code[at + name.len()..].starts_with('!'))
        .map(|(at, name)| (line_of(&masked.code, at), format!("`{name}!` is unfinished work")));
    let ignored = masked.code.match_indices("#[ignore").map(|(at, _)| {
        (line_of(&masked.code, at), "an ignored test tests nothing: assert what happens".to_owned())
    });
    let in_comments = [concat!("FIX", "ME"), concat!("XX", "X")]
        .into_iter()
        .flat_map(|name| words(&masked.comments, name))
        .map(|(at, name)| (line_of(&masked.comments, at), format!("{name} is unfinished work")));
    in_code
        .chain(ignored)
        .chain(in_comments)
        .map(|(line, message)| Finding::failure(file, line, message))
        .collect()
}

fn tabs(file: &str, text: &str) -> Option<Finding> {
    let index = text.lines().position(|line| line.contains('\t'))?;
    Some(Finding::failure(file, index + 1, "a tab; write spaces, or \\t in a literal"))
}

/// Where a whole word occurs, with the word.
fn words<'t>(text: &'t str, word: &'t str) -> impl Iterator<Item = (usize, &'t str)> {
    let is_word = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    text.match_indices(word).filter(move |(at, _)| {
        let before = at.checked_sub(1).and_then(|before| text.as_bytes().get(before));
        !is_word(before) && !is_word(text.as_bytes().get(at + word.len()))
    })
}

fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOC: &str = "//! What it owns.\n//! What it must not touch.\n\n";

    /// Checks a documented source in an ordinary crate; findings as `line: message`.
    fn check_source(source: &str, expected: &[&str]) {
        let shown: Vec<String> = check("crates/model/src/a.rs", &format!("{DOC}{source}"))
            .iter()
            .map(|finding| format!("{}: {}", finding.line, finding.message))
            .collect();
        assert_eq!(shown, expected, "of {source:?}");
    }

    fn long_function(name: &str, lines: usize) -> String {
        format!("fn {name}() {{\n{}}}\n", "    step();\n".repeat(lines - 2))
    }

    #[test]
    fn a_module_needs_documentation() {
        for (text, findings) in [
            ("fn f() {}\n", 1),
            ("//! One line.\n", 1),
            ("//! One.\n//!\n//! Two.\n", 0),
            ("//! One.\n//! Two.\n", 0),
        ] {
            assert_eq!(check("a.rs", text).len(), findings, "{text:?}");
        }
    }

    #[test]
    fn a_long_function_is_refused() {
        check_source(&long_function("f", 70), &[]);
        check_source(&long_function("f", 71), &["4: `f` has 71 lines; the limit is 70"]);
        check_source(&format!("// tidy: table\n#[test]\n{}", long_function("f", 71)), &[]);
        check_source(
            &format!("// tidy: table\n\n{}", long_function("f", 71)),
            &["6: `f` has 71 lines; the limit is 70"],
        );
    }

    #[test]
    fn functions_are_found_by_their_braces() {
        let code = "trait T { fn a(&self); fn b() -> [u8; { 2 }] {\n} }\nconst F: fn(u8) = c;\nfn c() where X: Y {\nif x { y }\n}\n";
        let function =
            |name: &str, first_line, last_line| Function { name: name.to_owned(), first_line, last_line };
        assert_eq!(functions(code), [function("b", 1, 2), function("c", 4, 6)]);
    }

    #[test]
    fn braces_in_literals_do_not_count() {
        let source = format!("fn f() {{ g(\"{{\"); }}\n{}", long_function("h", 70));
        check_source(&source, &[]);
    }

    #[test]
    fn file_length_warns_and_then_fails() {
        for (lines, expected) in [(600, None), (601, Some(false)), (1000, Some(false)), (1001, Some(true))] {
            assert_eq!(
                file_length("a.rs", &"x\n".repeat(lines)).map(|finding| finding.fails),
                expected,
                "{lines}"
            );
        }
        assert_eq!(file_length("a.rs", &format!("{TABLE_MARK}\n{}", "x\n".repeat(2000))), None);
    }

    #[test]
    fn empty_names_are_refused() {
        for (file, expected) in [
            ("crates/model/src/utils.rs", true),
            ("crates/model/src/common/mod.rs", true),
            ("crates/daemon/tests/helpers.rs", true),
            ("crates/model/src/utilisation.rs", false),
            ("crates/model/src/arn.rs", false),
        ] {
            assert_eq!(module_name(file).is_some(), expected, "{file}");
        }
    }

    #[test]
    fn unsafe_has_one_address() {
        let source = format!("{DOC}fn f() {{ unsafe {{ g() }} }}\n");
        assert_eq!(check("crates/sandbox/src/a.rs", &source), []);
        assert_eq!(
            check("crates/engine/src/a.rs", &source),
            [Finding::failure("crates/engine/src/a.rs", 4, "unsafe code belongs in crates/sandbox/")]
        );
        check_source("#![forbid(unsafe_code)]\n// unsafe\nconst S: &str = \"unsafe\";\n", &[]);
    }

    #[test]
    fn unfinished_work_is_refused() {
        check_source(concat!("fn f() { to", "do!() }\n"), &["4: `todo!` is unfinished work"]);
        check_source(concat!("fn f() { db", "g!(1); }\n"), &["4: `dbg!` is unfinished work"]);
        check_source(
            concat!("#[test]\n#[ign", "ore]\nfn f() {}\n"),
            &["5: an ignored test tests nothing: assert what happens"],
        );
        check_source(concat!("// FIX", "ME: later\n"), &[concat!("4: FIX", "ME is unfinished work")]);
        check_source(concat!("const TODO: &str = \"FIX", "ME\";\n"), &[]);
    }

    #[test]
    fn tabs_are_refused() {
        check_source("\tfn f() {}\n", &["4: a tab; write spaces, or \\t in a literal"]);
    }

    #[test]
    fn generated_code_need_only_be_safe_and_well_named() {
        let text = format!("// @generated by a program\n{}", "x\n".repeat(5000));
        assert_eq!(check("crates/wire/src/lambda.rs", &text), []);
        assert_eq!(check("crates/wire/src/lambda.rs", &format!("{text}unsafe {{}}\n")).len(), 1);
    }
}
