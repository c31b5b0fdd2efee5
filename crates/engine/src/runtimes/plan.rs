//! From a function and what serves its runtime to what is started in a sandbox: the root, the command, variables and
//! mounts. Pure but for looking whether a file exists in directories of our own.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use model::function::{Function, Start};
use model::port::ImageRoot;
use sandbox::{Mount, Root};

use super::bootstrap::Bootstrap;
use super::find::Interpreter;
use super::manifest::fill;

/// Where the function's code stands.
const TASK: &str = "/var/task";
/// Where the layers stand, merged.
const LAYERS: &str = "/opt";
/// Where the bootstraps stand inside every sandbox.
const RUNTIME_DIR: &str = "/var/runtime";
/// Where interpreters stand on Lambda; here those that cannot stand in their own place.
const MOVED: &str = "/var/lang";
/// Where programs of images are looked for when the image does not say.
const IMAGE_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The variable that names a script to be started in place of the runtime.
/// Source: AWS Lambda Developer Guide, "Modifying the runtime environment", wrapper scripts.
const EXEC_WRAPPER: &str = "AWS_LAMBDA_EXEC_WRAPPER";
/// Starts the wrapper with the runtime's command as its arguments. What is said of a wrapper that cannot be started,
/// and the exit codes, are those of Lambda's managed runtimes.
const WRAPPED: &str = r#"w=$AWS_LAMBDA_EXEC_WRAPPER
[ -f "$w" ] || { echo "$w: does not exist"; exit 127; }
[ -x "$w" ] || { echo "$w: is not an executable"; exit 126; }
exec "$w" "$@""#;

/// What will be mounted for a function, as far as its command depends on it.
#[derive(Default)]
pub(crate) struct Inside<'a> {
    /// The unpacked package; none for images.
    pub code: Option<&'a Path>,
    /// The unpacked layers, in any order.
    pub layers: &'a [PathBuf],
    /// What [`image_of`](super::Catalogue::image_of) named, if it named one.
    pub image: Option<&'a ImageRoot>,
}

/// How a function's environments are started.
pub(crate) struct Plan {
    pub root: Root,
    pub argv: Vec<OsString>,
    /// Variables that give way to the owner's.
    pub environment: Vec<(String, String)>,
    /// What the language needs; code, layers and shared directories are not among them.
    pub mounts: Vec<Mount>,
    pub cwd: PathBuf,
    /// Whether the program is there, as far as that can be known; if not, starting it fails and the owner is told
    /// that there is no valid bootstrap.
    pub exists: bool,
}

/// The language's own command, with our bootstrap.
pub(super) fn of_interpreter(function: &Function, language: &Bootstrap, interpreter: &Interpreter) -> Plan {
    let settings = &function.settings;
    let memory_mb = settings.memory_mb;
    let version = settings.runtime().and_then(|runtime| runtime.version()).unwrap_or(interpreter.version);
    let mut values = interpreter.values(inside);
    values.extend([
        ("{version}", format!("{}.{}", version.major, version.minor)),
        ("{major}", version.major.to_string()),
        ("{minor}", version.minor.to_string()),
        ("{runtime_dir}", RUNTIME_DIR.to_owned()),
        ("{memory_mb}", memory_mb.to_string()),
        ("{old_space_mb}", (memory_mb - memory_mb / 10).to_string()),
        ("{semi_space_mb}", (memory_mb / 10 / 2).to_string()),
    ]);
    let variable = |name: &str| settings.environment.0.get(name);
    let manifest = &language.manifest;
    let argv = manifest.start.argv_for(variable).into_iter();
    let argv = argv.map(|text| fill(text, &values, memory_mb).into()).collect();
    let environment = manifest.environment.iter();
    let mounts = interpreter.mounts.iter().map(|path| Mount::read_only(path.clone(), inside(path)));
    Plan {
        root: Root::Host,
        argv: wrapped(argv, variable(EXEC_WRAPPER)),
        environment: environment.map(|(name, text)| (name.clone(), fill(text, &values, memory_mb))).collect(),
        mounts: std::iter::once(Mount::read_only(language.dir.clone(), RUNTIME_DIR.into()))
            .chain(mounts)
            .collect(),
        cwd: TASK.into(),
        exists: true,
    }
}

/// Where something of the host stands inside: in its own place, unless the function's `/tmp` would hide it there.
fn inside(path: &Path) -> PathBuf {
    path.strip_prefix("/tmp").map_or_else(|_| path.to_owned(), |rest| Path::new(MOVED).join(rest))
}

/// The package's own `bootstrap`, or else one in a layer.
pub(super) fn provided(inside: &Inside<'_>) -> Plan {
    let in_code = inside.code.is_some_and(|code| code.join("bootstrap").exists());
    let in_layers = inside.layers.iter().any(|layer| layer.join("bootstrap").exists());
    let place = if in_layers && !in_code { LAYERS } else { TASK };
    Plan {
        argv: vec![format!("{place}/bootstrap").into()],
        exists: in_code || in_layers,
        ..in_root(inside.image)
    }
}

/// An image that holds a runtime: its entry point with the handler, as vendors' base images expect it, or the
/// bootstrap that it holds.
pub(super) fn of_runtime_image(function: &Function, inside: &Inside<'_>) -> Plan {
    let entry_point = inside.image.map(|image| image.entry_point.clone()).unwrap_or_default();
    let argv = if entry_point.is_empty() {
        vec![format!("{RUNTIME_DIR}/bootstrap")]
    } else {
        entry_point.into_iter().chain(function.settings.handler().map(str::to_owned)).collect()
    };
    Plan { argv: resolved(argv, inside.image), ..in_root(inside.image) }
}

/// A function that is an image: what the image says, part by part replaced by what the function says.
/// Source: Lambda API reference, `ImageConfig`.
pub(super) fn of_image(function: &Function, inside: &Inside<'_>) -> Plan {
    let image = inside.image.cloned().unwrap_or_default();
    let own = match &function.settings.start {
        Start::Image(own) => own.clone(),
        Start::Handler { .. } => model::function::ImageConfig::default(),
    };
    let either = |own: Vec<String>, image: Vec<String>| if own.is_empty() { image } else { own };
    let mut argv = either(own.entry_point, image.entry_point);
    argv.extend(either(own.command, image.command));
    let cwd = own.working_directory.or(image.working_directory).filter(|dir| !dir.is_empty());
    Plan {
        exists: !argv.is_empty(),
        argv: resolved(argv, inside.image),
        cwd: cwd.unwrap_or_else(|| "/".to_owned()).into(),
        ..in_root(inside.image)
    }
}

/// A plan without a command, in the image's root if there is one.
fn in_root(image: Option<&ImageRoot>) -> Plan {
    Plan {
        root: image.map_or(Root::Host, |image| Root::Image(image.layers.clone())),
        argv: Vec::new(),
        environment: image.map(|image| image.environment.clone()).unwrap_or_default(),
        mounts: Vec::new(),
        cwd: TASK.into(),
        exists: true,
    }
}

/// A program that is named without its place is looked for on the image's search path.
fn resolved(mut argv: Vec<String>, image: Option<&ImageRoot>) -> Vec<OsString> {
    if let (Some(image), Some(program)) = (image, argv.first_mut())
        && !program.contains('/')
    {
        let path = image.environment.iter().find(|(name, _)| name == "PATH");
        let path = path.map_or(IMAGE_PATH, |(_, path)| path.as_str());
        let there = |dir: &&str| {
            let inside = Path::new(dir.trim_start_matches('/')).join(&*program);
            // Links lead to places inside the image, which cannot be followed from here.
            image.layers.iter().any(|layer| layer.join(&inside).symlink_metadata().is_ok())
        };
        if let Some(dir) = path.split(':').find(there) {
            *program = format!("{}/{program}", dir.trim_end_matches('/'));
        }
    }
    argv.into_iter().map(OsString::from).collect()
}

/// The command as the owner's wrapper script gets it.
fn wrapped(argv: Vec<OsString>, wrapper: Option<&str>) -> Vec<OsString> {
    if wrapper.is_none_or(str::is_empty) {
        return argv;
    }
    let shell = ["/bin/sh", "-c", WRAPPED, "sh"].map(OsString::from);
    shell.into_iter().chain(argv).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(argv: &[OsString]) -> Vec<&str> {
        argv.iter().map(|text| text.to_str().expect("text")).collect()
    }

    #[test]
    fn the_packages_bootstrap_comes_before_a_layers() {
        let (code, layer) = (tempfile::tempdir().expect("made"), tempfile::tempdir().expect("made"));
        let layers = [layer.path().to_owned()];
        let inside = Inside { code: Some(code.path()), layers: &layers, image: None };
        let check = |program: &str, exists: bool| {
            let plan = provided(&inside);
            assert_eq!((texts(&plan.argv), plan.exists), (vec![program], exists));
        };
        check("/var/task/bootstrap", false);
        std::fs::write(layer.path().join("bootstrap"), "").expect("written");
        check("/opt/bootstrap", true);
        std::fs::write(code.path().join("bootstrap"), "").expect("written");
        check("/var/task/bootstrap", true);
    }

    #[test]
    fn interpreters_are_never_below_tmp() {
        assert_eq!(inside(Path::new("/opt/x")), Path::new("/opt/x"));
        assert_eq!(inside(Path::new("/tmp/a/bin/x")), Path::new("/var/lang/a/bin/x"));
    }

    #[test]
    fn programs_of_images_are_found_on_their_path() {
        let layer = tempfile::tempdir().expect("made");
        std::fs::create_dir_all(layer.path().join("opt/bin")).expect("made");
        std::os::unix::fs::symlink("/nowhere/app", layer.path().join("opt/bin/app")).expect("linked");
        let image = ImageRoot {
            layers: vec![layer.path().to_owned()],
            environment: vec![("PATH".to_owned(), "/usr/bin:/opt/bin/".to_owned())],
            ..ImageRoot::default()
        };
        for (program, expect) in [("app", "/opt/bin/app"), ("./app", "./app"), ("absent", "absent")] {
            let argv = resolved(vec![program.to_owned(), "x".to_owned()], Some(&image));
            assert_eq!(texts(&argv), [expect, "x"]);
        }
    }

    #[test]
    fn a_wrapper_gets_the_command() {
        let argv = || vec![OsString::from("/usr/bin/ruby"), "main.rb".into()];
        assert_eq!(wrapped(argv(), None), argv());
        assert_eq!(wrapped(argv(), Some("")), argv());
        assert_eq!(texts(&wrapped(argv(), Some("/opt/w")))[3..], ["sh", "/usr/bin/ruby", "main.rb"]);
    }

    #[test]
    fn a_wrapper_that_cannot_be_started_is_reported_as_lambda_does() {
        let dir = tempfile::tempdir().expect("made");
        let script = dir.path().join("wrapper");
        std::fs::write(&script, "").expect("written");
        let check = |wrapper: &Path, code: i32, text: &str| {
            let argv = wrapped(vec!["/bin/true".into()], wrapper.to_str());
            let output = std::process::Command::new(&argv[0])
                .args(&argv[1..])
                .env_clear()
                .env(EXEC_WRAPPER, wrapper)
                .output()
                .expect("a shell");
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert_eq!(
                (output.status.code(), said),
                (Some(code), format!("{}: {text}\n", wrapper.display()))
            );
        };
        check(&dir.path().join("absent"), 127, "does not exist");
        check(&script, 126, "is not an executable");
    }
}
