//! The table of keys: everything about a setting that its users and the parser need, in one place.
//!
//! A default is text like any other value and passes the same parser. Parsers are strict; the phrase that they
//! return in refusal completes "… should be".

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use http::Uri;
use model::event::RETRY_PAUSE;

use super::Config;

/// Which of the two servers is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// `dormouse serve`.
    Serve,
    /// `dormouse dev`.
    Dev,
}

/// One setting.
pub(crate) struct Key {
    /// Name of the flag and of the key in the file.
    pub name: &'static str,
    /// What stands for the value in help.
    pub value_name: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// The default in words.
    pub default_help: &'static str,
    /// The default as text.
    pub default: fn(Mode) -> String,
    /// Parses text into the configuration, or says what was expected.
    pub apply: fn(&mut Config, &str) -> Result<(), &'static str>,
}

/// Every setting of a server.
pub(crate) const KEYS: &[Key] = &[
    Key {
        name: "listen",
        value_name: "ADDRESS",
        help: "Address and port of the API; port 0 picks a free one, told by the line `dormouse ready on …`",
        default_help: "127.0.0.1:4566",
        default: |_| "127.0.0.1:4566".to_owned(),
        apply: |config, text| {
            set(
                &mut config.listen,
                SocketAddr::from_str(text),
                "an address and a port such as 127.0.0.1:4566",
            )
        },
    },
    Key {
        name: "data-dir",
        value_name: "DIR",
        help: "Where functions, logs, usage and the root key are kept; one server at a time",
        default_help: "./.dormouse for dev; for serve /var/lib/dormouse, or ~/.local/state/dormouse if not root",
        default: data_dir,
        apply: |config, text| {
            let dir = if text.is_empty() { Err(()) } else { Ok(PathBuf::from(text)) };
            set(&mut config.data_dir, dir, "a directory")
        },
    },
    Key {
        name: "drop-user",
        value_name: "BOOL",
        help: "When started as root, run the server itself as an unprivileged user",
        default_help: "true for serve, false for dev",
        // `dev` works on its user's own files, which another user could not read or write.
        default: |mode| (mode == Mode::Serve).to_string(),
        apply: |config, text| set(&mut config.drop_user, bool::from_str(text), "true or false"),
    },
    Key {
        name: "concurrency",
        value_name: "NUMBER",
        help: "Invocations that one account may run at once in one region",
        default_help: "1000, as at AWS",
        default: |_| model::limits::CONCURRENCY_DEFAULT.to_string(),
        apply: |config, text| {
            set(&mut config.concurrency, positive(text, 1_000_000), "a number from 1 to 1000000")
        },
    },
    Key {
        name: "async-retry-seconds",
        value_name: "SECONDS",
        help: "Pause before a failed asynchronous invocation is tried again; before the second time it is twice as long",
        default_help: "60",
        default: |_| RETRY_PAUSE.as_secs().to_string(),
        apply: |config, text| {
            let number = u32::from_str(text).ok().filter(|number| *number <= 3_600).ok_or(());
            set(&mut config.async_retry_s, number, "a number from 0 to 3600")
        },
    },
    Key {
        name: "control-rate",
        value_name: "NUMBER",
        help: "API calls other than invocations that one account may make in a second; 0 for no limit",
        default_help: "2000",
        default: |_| "2000".to_owned(),
        apply: |config, text| {
            let number = u32::from_str(text).ok().filter(|number| *number <= 1_000_000).ok_or(());
            set(&mut config.control_rate, number, "a number from 0 to 1000000")
        },
    },
    Key {
        name: "environments-max",
        value_name: "NUMBER",
        help: "Execution environments that may exist at once, over all functions",
        default_help: "2000",
        default: |_| "2000".to_owned(),
        apply: |config, text| {
            let number = positive(text, 65_000).map(|number| number as usize);
            set(&mut config.environments_max, number, "a number from 1 to 65000")
        },
    },
    Key {
        name: "blanks",
        value_name: "NUMBER",
        help: "Sandboxes kept ready for the next cold starts; each holds about half a megabyte",
        default_help: "16",
        default: |_| "16".to_owned(),
        apply: |config, text| {
            let number = usize::from_str(text).ok().filter(|number| *number <= 256).ok_or(());
            set(&mut config.blanks, number, "a number from 0 to 256")
        },
    },
    Key {
        name: "runtime-path",
        value_name: "DIRS",
        help: "Directories searched for interpreters (python3.12, node, …), best first, separated by colons",
        default_help: "/usr/bin:/usr/local/bin; dev also looks into pyenv and nvm",
        default: |_| String::new(),
        apply: |config, text| {
            set(&mut config.runtime_path, directories(text), "absolute directories separated by colons")
        },
    },
    Key {
        name: "payload-mb",
        value_name: "NUMBER",
        help: "Largest event and largest response of a synchronous invocation, in MB",
        default_help: "6, as at AWS",
        default: |_| "6".to_owned(),
        apply: |config, text| set(&mut config.payload_mb, positive(text, 1_024), "a number from 1 to 1024"),
    },
    Key {
        name: "stream-mb",
        value_name: "NUMBER",
        help: "Largest streamed response, in MB",
        default_help: "200, as at AWS",
        default: |_| "200".to_owned(),
        apply: |config, text| {
            set(&mut config.stream_mb, positive(text, 1_000_000), "a number from 1 to 1000000")
        },
    },
    Key {
        name: "file-systems",
        value_name: "ARN=DIR,…",
        help: "Directories that functions may mount and write, by the access point's ARN in FileSystemConfigs; as the \
               directory's owner, who must not be root",
        default_help: "none",
        default: |_| String::new(),
        apply: |config, text| {
            let pairs = text.split(',').filter(|pair| !pair.is_empty()).map(file_system);
            let systems = pairs.collect::<Result<BTreeMap<_, _>, ()>>();
            set(&mut config.file_systems, systems, "ARN=/directory pairs separated by commas")
        },
    },
    Key {
        name: "image-path",
        value_name: "DIRS",
        help: "Directories from which container images may be read (oci:, oci-archive:, docker-archive:), separated by \
               colons",
        default_help: "none; dev: the folder it is started in",
        default: |mode| {
            let here = std::env::current_dir().ok().filter(|_| mode == Mode::Dev);
            here.map_or_else(String::new, |dir| dir.display().to_string())
        },
        apply: |config, text| {
            set(&mut config.image_path, directories(text), "absolute directories separated by colons")
        },
    },
    Key {
        name: "create-on-push",
        value_name: "BOOL",
        help: "Whether pushing an image makes its repository",
        default_help: "false for serve, as at AWS; true for dev",
        default: |mode| (mode == Mode::Dev).to_string(),
        apply: |config, text| set(&mut config.create_on_push, bool::from_str(text), "true or false"),
    },
    Key {
        name: "s3-endpoint",
        value_name: "URL",
        help: "S3-compatible server from which code is fetched that is named by bucket and key; its keys are in \
               DORMOUSE_S3_ACCESS_KEY_ID and DORMOUSE_S3_SECRET_ACCESS_KEY",
        default_help: "none",
        default: |_| String::new(),
        apply: |config, text| {
            set(&mut config.s3_endpoint, endpoint(text), "an address such as http://127.0.0.1:9000")
        },
    },
    Key {
        name: "audit-log",
        value_name: "BOOL",
        help: "Whether each control call leaves a line in audit/ of the data directory: who, what, when, from where",
        default_help: "true for serve, false for dev",
        default: |mode| (mode == Mode::Serve).to_string(),
        apply: |config, text| set(&mut config.audit_log, bool::from_str(text), "true or false"),
    },
    Key {
        name: "log-level",
        value_name: "LEVEL",
        help: "How much the server logs to standard error: error, warn, info, debug or trace",
        default_help: "info for serve, warn for dev",
        default: |mode| if mode == Mode::Serve { "info" } else { "warn" }.to_owned(),
        apply: |config, text| set(&mut config.log_level, text.parse(), "error, warn, info, debug or trace"),
    },
];

fn set<T, E>(field: &mut T, parsed: Result<T, E>, expected: &'static str) -> Result<(), &'static str> {
    *field = parsed.map_err(|_| expected)?;
    Ok(())
}

/// Absolute directories, separated by colons.
fn directories(text: &str) -> Result<Vec<PathBuf>, ()> {
    let dirs = std::env::split_paths(text).filter(|dir| !dir.as_os_str().is_empty());
    let dirs: Vec<PathBuf> = dirs.collect();
    if dirs.iter().all(|dir| dir.is_absolute()) { Ok(dirs) } else { Err(()) }
}

/// `ARN=/directory`.
fn file_system(pair: &str) -> Result<(String, PathBuf), ()> {
    let (arn, dir) = pair.split_once('=').ok_or(())?;
    let dir = PathBuf::from(dir);
    if arn.starts_with("arn:") && dir.is_absolute() { Ok((arn.to_owned(), dir)) } else { Err(()) }
}

/// Scheme, host and port; nothing for no endpoint.
fn endpoint(text: &str) -> Result<Option<Uri>, ()> {
    if text.is_empty() {
        return Ok(None);
    }
    let uri: Uri = text.trim_end_matches('/').parse().map_err(|_| ())?;
    let plain = matches!(uri.path(), "" | "/") && uri.query().is_none() && uri.authority().is_some();
    if plain && matches!(uri.scheme_str(), Some("http" | "https")) { Ok(Some(uri)) } else { Err(()) }
}

fn positive(text: &str, most: u32) -> Result<u32, ()> {
    text.parse().ok().filter(|number| (1..=most).contains(number)).ok_or(())
}

fn data_dir(mode: Mode) -> String {
    if mode == Mode::Dev {
        return ".dormouse".to_owned();
    }
    if rustix::process::geteuid().is_root() {
        return "/var/lib/dormouse".to_owned();
    }
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let state = set("XDG_STATE_HOME").or_else(|| Some(format!("{}/.local/state", set("HOME")?)));
    state.map_or_else(|| ".dormouse".to_owned(), |state| format!("{state}/dormouse"))
}
