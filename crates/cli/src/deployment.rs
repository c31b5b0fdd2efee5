//! Bringing a folder to a server: create the function, or change what differs, and wait until it is ready.
//!
//! Settings come from flags, then `dormouse.toml`, then what the function already has, and only then from
//! looking at the code; so deploying again never resets what somebody set by other means. The code is sent only
//! when its SHA-256 differs.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use model::id::AccountId;
use model::name::FunctionName;

use crate::CliError;
use crate::client::api::{Changes, Creation, Environment, EphemeralStorage, FunctionConfiguration};
use crate::client::{Client, ClientError, OnSent};
use crate::package::{self, Language, Package, PackageError, Settings};

/// How long the server may take to prepare a function.
const READY_MAX: Duration = Duration::from_secs(120);
/// First and longest pause between two looks at the state.
const POLL_MIN: Duration = Duration::from_millis(20);
const POLL_MAX: Duration = Duration::from_millis(500);

/// What is to be deployed.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The folder.
    pub dir: PathBuf,
    /// Function name.
    pub name: FunctionName,
    /// Flags laid over the folder's own settings.
    pub settings: Settings,
    /// Whether the handler found in the code wins over the one that the function has.
    follows_code: bool,
}

/// Whatever wants to know how far a deployment is.
pub trait Watcher {
    /// Called while files are read: so many bytes of so many.
    fn packing(&mut self, read_bytes: u64, total_bytes: u64);
    /// Called once when sending begins; the result is called as it goes on.
    fn sending(&mut self, total_bytes: u64) -> Option<OnSent>;
    /// Called once when the server has everything.
    fn waiting(&mut self);
}

/// Nobody watches.
pub struct Unwatched;

impl Watcher for Unwatched {
    fn packing(&mut self, _: u64, _: u64) {}
    fn sending(&mut self, _: u64) -> Option<OnSent> {
        None
    }
    fn waiting(&mut self) {}
}

/// What a deployment did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// There was no such function.
    Created,
    /// Its code, its settings or both changed.
    Updated,
    /// It was the same already.
    Unchanged,
}

impl Action {
    /// A word for programs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
        }
    }
}

/// A finished deployment.
#[derive(Debug, Clone)]
pub struct Deployed {
    /// What was done.
    pub action: Action,
    /// The function as the server has it now.
    pub function: FunctionConfiguration,
    /// Files in the package.
    pub files: usize,
    /// Size of the zip.
    pub zip_bytes: u64,
    /// Size of all files together.
    pub unzipped_bytes: u64,
    /// From the first look at the folder until ready.
    pub elapsed: Duration,
}

impl Plan {
    /// Reads the folder's settings, lays `flags` over them and finds the function's name.
    ///
    /// # Errors
    /// [`CliError::Package`] for settings that cannot be read, [`CliError::Usage`] for a name that is none.
    pub fn new(dir: &Path, flags: Settings) -> Result<Self, CliError> {
        // Without it, a folder that is not there would pass for one without settings.
        std::fs::read_dir(dir).map_err(|source| PackageError::Folder { path: dir.to_owned(), source })?;
        let settings = laid_over(flags, Settings::read(dir)?);
        let text = match &settings.name {
            Some(name) => name.clone(),
            None => folder_name(dir)?,
        };
        let name = FunctionName::parse(&text).map_err(|_| {
            let rule = "give one with --name: 1 to 64 letters, digits, hyphens and underscores";
            CliError::usage(format!("{text:?} is not a function name"), Some(rule))
        })?;
        Ok(Self { dir: dir.to_owned(), name, settings, follows_code: false })
    }

    /// Lets the handler follow the code when a file is renamed, for those who deploy on every change.
    #[must_use]
    pub fn following_code(mut self) -> Self {
        self.follows_code = true;
        self
    }

    /// Deploys and waits until the function can be invoked with the new code and settings.
    ///
    /// # Errors
    /// [`CliError`] when the folder cannot be packed, or the server refuses or cannot prepare it.
    pub async fn deploy(&self, client: &Client, watcher: &mut dyn Watcher) -> Result<Deployed, CliError> {
        let begun = Instant::now();
        let existing = client.function(self.name.as_str()).await?;
        let changes = self.changes(client, existing.as_ref()).await?;
        let package =
            package::pack_folder(&self.dir, &self.settings, &mut |read, total| watcher.packing(read, total))?;
        let action = match &existing {
            None => self.create(client, changes, &package, watcher).await?,
            Some(existing) => self.update(client, existing, changes, &package, watcher).await?,
        };
        watcher.waiting();
        let function = self.ready(client).await?;
        Ok(Deployed {
            action,
            function,
            files: package.files,
            zip_bytes: package.zip.len() as u64,
            unzipped_bytes: package.unzipped_bytes,
            elapsed: begun.elapsed(),
        })
    }

    async fn create(
        &self,
        client: &Client,
        mut changes: Changes,
        package: &Package,
        watcher: &mut dyn Watcher,
    ) -> Result<Action, CliError> {
        changes.role.get_or_insert_with(|| default_role(client.access_key_id()));
        let creation = Creation {
            name: self.name.to_string(),
            changes,
            architecture: self.settings.architecture.clone(),
            tags: self.settings.tags.clone(),
        };
        let on_sent = watcher.sending(base64_len(&package.zip));
        client.create(&creation, &package.zip, on_sent).await?;
        Ok(Action::Created)
    }

    /// Code first, as the settings may name a handler that only the new code has.
    async fn update(
        &self,
        client: &Client,
        existing: &FunctionConfiguration,
        changes: Changes,
        package: &Package,
        watcher: &mut dyn Watcher,
    ) -> Result<Action, CliError> {
        let mut action = Action::Unchanged;
        let architecture = self.settings.architecture.as_deref();
        let moved = architecture.is_some_and(|wanted| existing.architectures != [wanted]);
        if existing.code_sha256 != BASE64.encode(package.sha256) || moved {
            let on_sent = watcher.sending(base64_len(&package.zip));
            client.update_code(self.name.as_str(), architecture, &package.zip, on_sent).await?;
            self.ready(client).await?;
            action = Action::Updated;
        }
        let changes = differing(changes, existing);
        if changes != Changes::default() {
            client.update_configuration(self.name.as_str(), &changes).await?;
            action = Action::Updated;
        }
        Ok(action)
    }

    /// The settings asked for, with runtime and handler found in the folder where nothing else says them.
    async fn changes(
        &self,
        client: &Client,
        existing: Option<&FunctionConfiguration>,
    ) -> Result<Changes, CliError> {
        let wanted = &self.settings;
        let variables = wanted.environment.clone();
        let mut changes = Changes {
            runtime: wanted.runtime.clone(),
            handler: wanted.handler.clone(),
            role: wanted.role.clone(),
            description: wanted.description.clone(),
            timeout: wanted.timeout,
            memory_size: wanted.memory,
            environment: (!variables.is_empty()).then_some(Environment { variables }),
            ephemeral_storage: wanted.ephemeral_storage.map(|size| EphemeralStorage { size }),
        };
        match existing {
            Some(function) if self.follows_code && changes.handler.is_none() => {
                let language = function.runtime.as_deref().and_then(Language::of_runtime);
                // Code whose handler cannot be found keeps the one that somebody gave it.
                changes.handler =
                    package::entrypoint(&self.dir, language, None).ok().map(|found| found.handler);
            }
            Some(_) => {}
            None => self.look_at_code(client, &mut changes).await?,
        }
        Ok(changes)
    }

    /// Fills in runtime and handler of a new function from its code.
    async fn look_at_code(&self, client: &Client, changes: &mut Changes) -> Result<(), CliError> {
        if changes.runtime.is_some() && changes.handler.is_some() {
            return Ok(());
        }
        let language = match changes.runtime.as_deref() {
            // A language that cannot be recognised in a folder has no conventional handler either.
            Some(runtime) => Some(Language::of_runtime(runtime).ok_or_else(|| {
                let looked_for = format!("{runtime} has no conventional handler");
                PackageError::NoEntrypoint { path: self.dir.clone(), looked_for }
            })?),
            None => None,
        };
        let entrypoint = package::entrypoint(&self.dir, language, changes.handler.as_deref())?;
        changes.handler = Some(entrypoint.handler);
        if changes.runtime.is_none() {
            changes.runtime = Some(newest_runtime(client, entrypoint.language).await?);
        }
        Ok(())
    }

    /// Waits until neither creation nor change is under way.
    async fn ready(&self, client: &Client) -> Result<FunctionConfiguration, ClientError> {
        let begun = Instant::now();
        let mut pause = POLL_MIN;
        loop {
            let function = client.function(self.name.as_str()).await?.unwrap_or_default();
            let state = match progress(&function) {
                Progress::Ready => return Ok(function),
                Progress::Failed(reason) => {
                    return Err(ClientError::Failed { function: self.name.to_string(), reason });
                }
                Progress::Underway(state) => state,
            };
            if begun.elapsed() > READY_MAX {
                return Err(ClientError::NotReady {
                    function: self.name.to_string(),
                    state,
                    after: READY_MAX,
                });
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(POLL_MAX);
        }
    }
}

enum Progress {
    Ready,
    Underway(String),
    Failed(String),
}

fn progress(function: &FunctionConfiguration) -> Progress {
    let reason = |reason: &Option<String>| reason.clone().unwrap_or_else(|| "no reason given".to_owned());
    match (function.state.as_deref(), function.last_update_status.as_deref()) {
        (Some("Failed"), _) => Progress::Failed(reason(&function.state_reason)),
        (_, Some("Failed")) => Progress::Failed(reason(&function.last_update_status_reason)),
        (Some("Active"), Some("Successful") | None) => Progress::Ready,
        (Some("Active"), Some(status)) => Progress::Underway(status.to_owned()),
        (state, _) => Progress::Underway(state.unwrap_or("absent").to_owned()),
    }
}

/// Leaves only what the function does not have already.
fn differing(wanted: Changes, existing: &FunctionConfiguration) -> Changes {
    fn unless<T: PartialEq>(wanted: Option<T>, same: impl FnOnce(&T) -> bool) -> Option<T> {
        wanted.filter(|value| !same(value))
    }
    Changes {
        runtime: unless(wanted.runtime, |value| existing.runtime.as_ref() == Some(value)),
        handler: unless(wanted.handler, |value| existing.handler.as_ref() == Some(value)),
        role: unless(wanted.role, |value| existing.role.as_ref() == Some(value)),
        description: unless(wanted.description, |value| existing.description == *value),
        timeout: unless(wanted.timeout, |value| existing.timeout == *value),
        memory_size: unless(wanted.memory_size, |value| existing.memory_size == *value),
        environment: unless(wanted.environment, |value| existing.environment.as_ref() == Some(value)),
        ephemeral_storage: unless(wanted.ephemeral_storage, |value| {
            existing.ephemeral_storage.as_ref() == Some(value)
        }),
    }
}

/// What a flag says wins; variables and tags are joined key by key.
fn laid_over(flags: Settings, mut file: Settings) -> Settings {
    file.environment.extend(flags.environment);
    file.tags.extend(flags.tags);
    Settings {
        name: flags.name.or(file.name),
        runtime: flags.runtime.or(file.runtime),
        handler: flags.handler.or(file.handler),
        description: flags.description.or(file.description),
        memory: flags.memory.or(file.memory),
        timeout: flags.timeout.or(file.timeout),
        ephemeral_storage: flags.ephemeral_storage.or(file.ephemeral_storage),
        architecture: flags.architecture.or(file.architecture),
        role: flags.role.or(file.role),
        environment: file.environment,
        tags: file.tags,
        gitignore: flags.gitignore || file.gitignore,
    }
}

fn folder_name(dir: &Path) -> Result<String, PackageError> {
    // `.` and `..` have no name of their own.
    let whole = dir.canonicalize().map_err(|source| PackageError::Folder { path: dir.to_owned(), source })?;
    Ok(whole.file_name().unwrap_or_default().to_string_lossy().into_owned())
}

async fn newest_runtime(client: &Client, language: Language) -> Result<String, CliError> {
    let offered = client.runtimes().await?.into_iter().filter(|runtime| runtime.ready);
    let offered: Vec<_> = offered.map(|runtime| runtime.name).collect();
    let newest = language.newest_of(offered.iter().map(String::as_str)).map(str::to_owned);
    newest.ok_or_else(|| CliError::NoRuntime { language: language.as_str(), offered: offered.join(", ") })
}

/// A role that need not exist. A key of twelve digits names the account, as `dormouse dev` has it.
fn default_role(access_key_id: Option<&str>) -> String {
    let account = access_key_id.and_then(|key| AccountId::parse(key).ok()).unwrap_or(AccountId::DEFAULT);
    format!("arn:aws:iam::{account}:role/dormouse-function")
}

/// Roughly what is sent for a zip: its Base64, and a little JSON around it that is not worth counting.
fn base64_len(zip: &[u8]) -> u64 {
    zip.len().div_ceil(3) as u64 * 4
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deployed() -> FunctionConfiguration {
        FunctionConfiguration {
            runtime: Some("python3.11".to_owned()),
            timeout: 3,
            memory_size: 128,
            ..FunctionConfiguration::default()
        }
    }

    #[test]
    fn only_differences_are_sent() {
        let wanted = Changes {
            runtime: Some("python3.11".to_owned()),
            timeout: Some(3),
            memory_size: Some(256),
            ..Changes::default()
        };
        let expect = Changes { memory_size: Some(256), ..Changes::default() };
        assert_eq!(differing(wanted, &deployed()), expect);
    }

    #[test]
    fn flags_win_over_the_file_key_by_key() {
        let variables = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let file = Settings {
            memory: Some(128),
            timeout: Some(5),
            environment: variables(&[("A", "file"), ("B", "file")]),
            ..Settings::default()
        };
        let flags =
            Settings { memory: Some(512), environment: variables(&[("A", "flag")]), ..Settings::default() };
        let both = laid_over(flags, file);
        assert_eq!((both.memory, both.timeout), (Some(512), Some(5)));
        assert_eq!(both.environment, variables(&[("A", "flag"), ("B", "file")]));
    }

    #[test]
    fn the_folder_names_the_function_unless_told_otherwise() {
        let parent = tempfile::tempdir().expect("a temporary folder");
        let named = |folder: &str, flag: Option<&str>| {
            let dir = parent.path().join(folder);
            std::fs::create_dir_all(&dir).expect("made");
            let flags = Settings { name: flag.map(str::to_owned), ..Settings::default() };
            Plan::new(&dir, flags).map(|plan| plan.name.to_string()).map_err(|error| error.exit_code())
        };
        assert_eq!(named("hello", None), Ok("hello".to_owned()));
        assert_eq!(named("hello", Some("other")), Ok("other".to_owned()));
        assert_eq!(named("not a name", None), Err(2));
    }

    #[test]
    fn a_change_under_way_is_not_ready() {
        let in_state = |state: &str, update: &str| FunctionConfiguration {
            state: Some(state.to_owned()),
            last_update_status: Some(update.to_owned()),
            ..deployed()
        };
        assert!(matches!(progress(&in_state("Active", "Successful")), Progress::Ready));
        assert!(matches!(progress(&in_state("Active", "InProgress")), Progress::Underway(_)));
        assert!(matches!(progress(&in_state("Pending", "Successful")), Progress::Underway(_)));
        assert!(matches!(progress(&in_state("Active", "Failed")), Progress::Failed(_)));
        assert!(matches!(progress(&in_state("Failed", "Successful")), Progress::Failed(_)));
    }

    #[test]
    fn a_key_of_twelve_digits_names_the_account() {
        assert_eq!(default_role(Some("123456789012")), "arn:aws:iam::123456789012:role/dormouse-function");
        assert_eq!(default_role(Some("AKIAEXAMPLE")), "arn:aws:iam::000000000000:role/dormouse-function");
        assert_eq!(default_role(None), "arn:aws:iam::000000000000:role/dormouse-function");
    }
}
