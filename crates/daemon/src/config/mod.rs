//! How a server is set up, parsed once into [`Config`].
//!
//! Every key stands in one table ([`KEYS`]) that gives its flag (`--listen`), its variable (`DORMOUSE_LISTEN`),
//! its key in the file (`listen`), its default and its description. A flag wins over a variable, a variable over
//! the file, the file over the default. What the table does not know is an error, in the file and among the
//! `DORMOUSE_…` variables alike, so that a misspelt setting cannot pass for a default.

mod file;
mod keys;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use http::Uri;
use tracing::level_filters::LevelFilter;

pub(crate) use file::FileError;
pub(crate) use keys::{KEYS, Mode};

/// The flag, variable (with [`VARIABLE_PREFIX`]) and name of the configuration file itself.
const CONFIG: &str = "config";
/// What all variables begin with.
const VARIABLE_PREFIX: &str = "DORMOUSE_";
/// Variables that are read elsewhere, because they are secret or part of one.
pub(crate) const ROOT_VARIABLES: [&str; 2] =
    ["DORMOUSE_ROOT_ACCESS_KEY_ID", "DORMOUSE_ROOT_SECRET_ACCESS_KEY"];
/// As whom buckets at `s3-endpoint` are read; read elsewhere, too.
pub(crate) const S3_VARIABLES: [&str; 2] = ["DORMOUSE_S3_ACCESS_KEY_ID", "DORMOUSE_S3_SECRET_ACCESS_KEY"];

/// How a server is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Config {
    /// Address and port of the API.
    pub listen: SocketAddr,
    /// Where all state is.
    pub data_dir: PathBuf,
    /// Whether to become an unprivileged user after start.
    pub drop_user: bool,
    /// Invocations that one account may run at once in one region.
    pub concurrency: u32,
    /// Seconds before a failed asynchronous invocation is tried again.
    pub async_retry_s: u32,
    /// Control calls that one account may make in a second; 0 for no limit.
    pub control_rate: u32,
    /// Environments that may exist at once.
    pub environments_max: usize,
    /// Sandboxes kept ready.
    pub blanks: usize,
    /// Directories that are searched for interpreters, best first; where none is given, the usual ones.
    pub runtime_path: Vec<PathBuf>,
    /// Largest event and response of a synchronous invocation.
    pub payload_mb: u32,
    /// Largest streamed response.
    pub stream_mb: u32,
    /// Directories that functions may share, by the ARN under which they ask for them.
    pub file_systems: BTreeMap<String, PathBuf>,
    /// Directories from which images may be read.
    pub image_path: Vec<PathBuf>,
    /// Whether a push makes the repository that it names.
    pub create_on_push: bool,
    /// Where code is fetched that functions name by bucket and key; empty for nowhere.
    pub s3_endpoint: Option<Uri>,
    /// Whether control calls are kept in the audit log.
    pub audit_log: bool,
    /// How much is logged.
    pub log_level: LevelFilter,
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// A variable that nobody reads.
    #[error("the environment variable {name} is unknown; known are {known}")]
    UnknownVariable {
        /// Its name.
        name: String,
        /// All that are known.
        known: String,
    },
    /// A value that is none of its key's.
    #[error("{origin} is {text:?}, but should be {expected}")]
    Value {
        /// Flag, variable, or key and file.
        origin: String,
        /// As given.
        text: String,
        /// What would have been understood.
        expected: &'static str,
    },
}

/// The flags of `serve` and `dev`, made from the table of keys.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flags {
    given: BTreeMap<&'static str, String>,
    config: Option<PathBuf>,
}

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        let config = Arg::new(CONFIG)
            .long(CONFIG)
            .value_name("FILE")
            .help("Read settings from a TOML file; its keys are named like the flags [env: DORMOUSE_CONFIG]")
            .help_heading("Settings");
        let flags = KEYS.iter().map(|key| {
            let help =
                format!("{} [env: {}] [default: {}]", key.help, variable_of(key.name), key.default_help);
            Arg::new(key.name).long(key.name).value_name(key.value_name).help(help).help_heading("Settings")
        });
        command.arg(config).args(flags)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |name: &str| matches.get_one::<String>(name).cloned();
        Ok(Self {
            given: KEYS.iter().filter_map(|key| Some((key.name, given(key.name)?))).collect(),
            config: given(CONFIG).map(PathBuf::from),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Config {
    /// Puts flags, environment, file and defaults together.
    ///
    /// # Errors
    /// [`ConfigError`], naming the flag, variable or line that is wrong.
    pub(crate) fn load(
        mode: Mode,
        flags: &Flags,
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, ConfigError> {
        refuse_unknown_variables(environment)?;
        let named = flags.config.clone();
        let named = named.or_else(|| environment.get(&variable_of(CONFIG)).map(PathBuf::from));
        let file = named.as_deref().map(file::read).transpose()?.unwrap_or_default();

        let mut config = Self::blank();
        for key in KEYS {
            let variable = variable_of(key.name);
            let (text, origin) = if let Some(text) = flags.given.get(key.name) {
                (text.clone(), format!("--{}", key.name))
            } else if let Some(text) = environment.get(&variable) {
                (text.clone(), variable)
            } else if let Some(text) = file.get(key.name) {
                (text.clone(), format!("{} in the configuration file", key.name))
            } else {
                ((key.default)(mode), format!("the default of {}", key.name))
            };
            let value = |expected| ConfigError::Value { origin, text: text.clone(), expected };
            (key.apply)(&mut config, &text).map_err(value)?;
        }
        Ok(config)
    }

    /// Placeholders; every key of the table overwrites its own.
    fn blank() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            data_dir: PathBuf::new(),
            drop_user: true,
            concurrency: 0,
            async_retry_s: 0,
            control_rate: 0,
            environments_max: 0,
            blanks: 0,
            runtime_path: Vec::new(),
            payload_mb: 0,
            stream_mb: 0,
            file_systems: BTreeMap::new(),
            image_path: Vec::new(),
            create_on_push: false,
            s3_endpoint: None,
            audit_log: true,
            log_level: LevelFilter::OFF,
        }
    }
}

fn variable_of(key: &str) -> String {
    format!("{VARIABLE_PREFIX}{}", key.to_ascii_uppercase().replace('-', "_"))
}

fn refuse_unknown_variables(environment: &BTreeMap<String, String>) -> Result<(), ConfigError> {
    let mut known: Vec<String> = KEYS.iter().map(|key| variable_of(key.name)).collect();
    known.push(variable_of(CONFIG));
    known.extend([ROOT_VARIABLES, S3_VARIABLES].concat().into_iter().map(str::to_owned));
    let mut ours = environment.keys().filter(|name| name.starts_with(VARIABLE_PREFIX));
    match ours.find(|name| !known.contains(name)) {
        Some(name) => Err(ConfigError::UnknownVariable { name: name.clone(), known: known.join(", ") }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(
        flags: &[(&'static str, &str)],
        environment: &[(&str, &str)],
        file: Option<&str>,
    ) -> Result<Config, String> {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let config = file.map(|text| {
            let path = dir.path().join("dormouse.conf");
            std::fs::write(&path, text).expect("written");
            path
        });
        let given = flags.iter().map(|(name, text)| (*name, (*text).to_owned())).collect();
        let environment =
            environment.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        Config::load(Mode::Serve, &Flags { given, config }, &environment).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_are_all_valid() {
        let config = load(&[], &[], None).expect("valid defaults");
        assert_eq!(config.listen.to_string(), "127.0.0.1:4566");
        assert_eq!(config.log_level, LevelFilter::INFO);
        assert!(config.drop_user);
        Config::load(Mode::Dev, &Flags::default(), &BTreeMap::new()).expect("valid defaults");
    }

    #[test]
    fn a_flag_wins_over_a_variable_over_the_file() {
        let blanks = |flags, environment, file| load(flags, environment, file).expect("valid").blanks;
        let file = Some("blanks = 1\nlisten = '127.0.0.1:0'\n");
        let variable: &[(&str, &str)] = &[("DORMOUSE_BLANKS", "2"), ("UNRELATED", "x")];
        assert_eq!(blanks(&[], &[], file), 1);
        assert_eq!(blanks(&[], variable, file), 2);
        assert_eq!(blanks(&[("blanks", "3")], variable, file), 3);
    }

    #[test]
    fn file_systems_are_pairs() {
        let arn = "arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/fsap-1";
        let config =
            load(&[("file-systems", &format!("{arn}=/srv/a,arn:b=/srv/b"))], &[], None).expect("valid");
        assert_eq!(config.file_systems[arn], PathBuf::from("/srv/a"));
        assert_eq!(config.file_systems["arn:b"], PathBuf::from("/srv/b"));
        for wrong in ["/srv/a", "arn:a=relative", "a=/srv"] {
            load(&[("file-systems", wrong)], &[], None).expect_err("refused");
        }
    }

    #[test]
    fn what_is_unknown_or_wrong_is_named() {
        let refused = |flags, environment, file, part: &str| {
            let error = load(flags, environment, file).expect_err("refused");
            assert!(error.contains(part), "{error}");
        };
        refused(&[], &[], Some("blankz = 1"), "blankz");
        refused(&[], &[], Some("listen = ["), "line 1");
        refused(&[], &[("DORMOUSE_LISTN", "x")], None, "DORMOUSE_LISTN");
        refused(&[("listen", "nowhere")], &[], None, "--listen is \"nowhere\"");
        refused(&[], &[("DORMOUSE_BLANKS", "-1")], None, "DORMOUSE_BLANKS is \"-1\"");
        refused(&[], &[], Some("drop-user = 'maybe'"), "true or false");
    }
}
