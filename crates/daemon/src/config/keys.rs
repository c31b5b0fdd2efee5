//! The table of keys: everything about a setting that its users and the parser need, in one place.
//!
//! A default is text like any other value and passes the same parser. Parsers are strict; the phrase that they
//! return in refusal completes "… should be".

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

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
            let dirs = std::env::split_paths(text).filter(|dir| !dir.as_os_str().is_empty());
            let dirs: Vec<PathBuf> = dirs.collect();
            let absolute = if dirs.iter().all(|dir| dir.is_absolute()) { Ok(dirs) } else { Err(()) };
            set(&mut config.runtime_path, absolute, "absolute directories separated by colons")
        },
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
