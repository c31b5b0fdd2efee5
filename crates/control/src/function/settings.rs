//! The settings of a function: how a request changes them, and what no setting may be.
//!
//! A [`Change`] holds what a caller asked for; what is absent stays as it is, or gets Lambda's default on
//! creation. Constraints that the API model states are checked by `wire` before a request gets here; limits that
//! protect the machine are checked again, because here is where they count.

use model::error::ServiceError;
use model::function::{
    Architecture, CapacityProvider, Environment, FileSystem, ImageConfig, LogFormat, Logging, Settings,
    Start, TracingMode,
};
use model::limits;
use model::noted::{Durable, Noted};
use model::pairs::Pairs;
use model::runtime::RuntimeName;

use super::noted::{self, NotedChange};
use super::surroundings::Surroundings;

/// Environment variables that belong to Lambda.
/// Source: AWS Lambda Developer Guide, "Defined runtime environment variables", the reserved ones.
const RESERVED_VARIABLES: [&str; 19] = [
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SECURITY_TOKEN",
    "AWS_SESSION_TOKEN",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
];
const DESCRIPTION_CHARS_MAX: usize = 256;
const HANDLER_CHARS_MAX: usize = 128;
/// Level of JSON logs where none is asked for.
const LOG_LEVEL_DEFAULT: &str = "INFO";

/// What a caller wants to be set.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// Language and version.
    pub runtime: Option<RuntimeName>,
    /// The entry point.
    pub handler: Option<String>,
    /// What replaces the image's own settings; all of it at once.
    pub image: Option<ImageConfig>,
    /// ARN of the execution role.
    pub role: Option<String>,
    /// Free text.
    pub description: Option<String>,
    /// Longest run in seconds.
    pub timeout_s: Option<u32>,
    /// Memory in MB.
    pub memory_mb: Option<u32>,
    /// Size of `/tmp` in MB.
    pub ephemeral_mb: Option<u32>,
    /// All environment variables; they replace the previous ones.
    pub environment: Option<Environment>,
    /// The instruction set.
    pub architecture: Option<Architecture>,
    /// Tracing.
    pub tracing: Option<TracingMode>,
    /// Form and place of the logs.
    pub logging: Option<LoggingChange>,
    /// ARNs of all layer versions; they replace the previous ones.
    pub layers: Option<Vec<String>>,
    /// All shared directories; they replace the previous ones.
    pub file_systems: Option<Vec<FileSystem>>,
    /// Whether tenants are isolated; only for new functions.
    pub tenant_isolation: Option<bool>,
    /// Several invocations at once in one environment.
    pub capacity: Option<CapacityProvider>,
    /// What is said about things beside the code.
    pub noted: NotedChange,
}

/// The two kinds of package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackageKind {
    /// A zip with a handler.
    Zip,
    /// A container image.
    Image,
}

/// What a caller wants to be set about logs.
#[derive(Debug, Clone, Default)]
pub struct LoggingChange {
    /// Text or JSON.
    pub format: Option<LogFormat>,
    /// Level of the function's own messages.
    pub application_level: Option<String>,
    /// Level of the platform's messages.
    pub system_level: Option<String>,
    /// The log group.
    pub group: Option<String>,
}

impl Change {
    /// Settings of a new function.
    ///
    /// # Errors
    /// `InvalidParameterValue` where something mandatory is missing or a value cannot be honoured, `Validation`
    /// where one is out of range.
    pub fn into_settings(
        self,
        kind: PackageKind,
        surroundings: &Surroundings<'_>,
    ) -> Result<Settings, ServiceError> {
        let start = match (kind, &self.runtime, &self.handler) {
            (PackageKind::Image, ..) => Start::Image(ImageConfig::default()),
            (PackageKind::Zip, Some(runtime), Some(handler)) => {
                Start::Handler { runtime: runtime.clone(), handler: handler.clone() }
            }
            (PackageKind::Zip, ..) => {
                return invalid(
                    "Runtime and Handler are mandatory parameters for functions created with deployment packages.",
                );
            }
        };
        let settings = Settings {
            start,
            role: self.role.clone().unwrap_or_default(),
            description: String::new(),
            timeout_s: limits::TIMEOUT_S_DEFAULT,
            memory_mb: limits::MEMORY_MB_DEFAULT,
            ephemeral_mb: limits::EPHEMERAL_MB_DEFAULT,
            environment: Environment::default(),
            // AWS's default is x86_64; code for another machine would not run here.
            architecture: Architecture::HOST,
            tracing: TracingMode::PassThrough,
            logging: Logging {
                format: LogFormat::Text,
                application_level: None,
                system_level: None,
                group: None,
            },
            layers: Vec::new(),
            file_systems: Vec::new(),
            tenant_isolation: self.tenant_isolation.unwrap_or(false),
            capacity: None,
            // The one thing that only a new function can be; the change fills it in.
            noted: Noted {
                durable: self.noted.durable.as_ref().map(|_| Box::new(durable_default())),
                ..Noted::default()
            },
        };
        self.apply(settings, surroundings)
    }

    /// The settings with this change applied.
    ///
    /// # Errors
    /// As [`Change::into_settings`].
    pub fn apply(
        self,
        mut settings: Settings,
        surroundings: &Surroundings<'_>,
    ) -> Result<Settings, ServiceError> {
        match &mut settings.start {
            Start::Handler { runtime, handler } => {
                if self.image.is_some_and(|image| image != ImageConfig::default()) {
                    return invalid(
                        "The ImageConfig parameter is not supported for functions created with deployment packages.",
                    );
                }
                set(runtime, self.runtime);
                set(handler, self.handler);
            }
            Start::Image(config) => {
                if self.runtime.is_some() || self.handler.is_some() {
                    return invalid(
                        "The Runtime and Handler parameters are not supported for functions created with container \
                         images.",
                    );
                }
                if self.layers.as_ref().is_some_and(|layers| !layers.is_empty()) {
                    return invalid(
                        "The Layers parameter is not supported for functions created with container images.",
                    );
                }
                set(config, self.image);
            }
        }
        set(&mut settings.role, self.role);
        set(&mut settings.description, self.description);
        set(&mut settings.timeout_s, self.timeout_s);
        set(&mut settings.memory_mb, self.memory_mb);
        set(&mut settings.ephemeral_mb, self.ephemeral_mb);
        set(&mut settings.environment, self.environment);
        set(&mut settings.architecture, self.architecture);
        set(&mut settings.tracing, self.tracing);
        if let Some(change) = self.logging {
            settings.logging = change.apply(settings.logging)?;
        }
        if let Some(arns) = &self.layers {
            settings.layers = surroundings.layers(arns)?;
        }
        if let Some(wanted) = self.file_systems {
            settings.file_systems = surroundings.file_systems(wanted)?;
        }
        if self.capacity.is_some() {
            settings.capacity = self.capacity;
        }
        settings.noted = self.noted.apply(settings.noted)?;
        check(&settings)?;
        Ok(settings)
    }
}

impl LoggingChange {
    fn apply(self, logging: Logging) -> Result<Logging, ServiceError> {
        let format = self.format.unwrap_or(logging.format);
        let has_levels = self.application_level.is_some() || self.system_level.is_some();
        let (application_level, system_level) = match format {
            LogFormat::Text if has_levels => {
                return invalid("Log levels can only be set with LogFormat JSON. Set LogFormat to JSON.");
            }
            LogFormat::Text => (None, None),
            LogFormat::Json => {
                let level = |new: Option<String>, old: Option<String>| {
                    Some(new.or(old).unwrap_or_else(|| LOG_LEVEL_DEFAULT.to_owned()))
                };
                (
                    level(self.application_level, logging.application_level),
                    level(self.system_level, logging.system_level),
                )
            }
        };
        Ok(Logging { format, application_level, system_level, group: self.group.or(logging.group) })
    }
}

fn durable_default() -> Durable {
    Durable { retention_days: Some(limits::DURABLE_RETENTION_DAYS_DEFAULT), ..Durable::default() }
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn check(settings: &Settings) -> Result<(), ServiceError> {
    if settings.role.is_empty() {
        return invalid("The role is mandatory.");
    }
    if settings.handler().is_some_and(|handler| handler.chars().count() > HANDLER_CHARS_MAX) {
        return invalid(&format!("The handler must have at most {HANDLER_CHARS_MAX} characters."));
    }
    if settings.description.chars().count() > DESCRIPTION_CHARS_MAX {
        return invalid(&format!("The description must have at most {DESCRIPTION_CHARS_MAX} characters."));
    }
    check_range("timeout", settings.timeout_s, &limits::TIMEOUT_S)?;
    check_range("memorySize", settings.memory_mb, &limits::MEMORY_MB)?;
    let ephemeral = match settings.noted.accelerator_gb {
        None => &limits::EPHEMERAL_MB,
        Some(_) => &limits::EPHEMERAL_MB_ACCELERATED,
    };
    check_range("ephemeralStorage.size", settings.ephemeral_mb, ephemeral)?;
    if let Some(concurrency) = settings.capacity.as_ref().and_then(|provider| provider.concurrency) {
        let name = "capacityProviderConfig.lambdaManagedInstancesCapacityProviderConfig.perExecutionEnvironmentMaxConcurrency";
        check_range(name, concurrency, &limits::CONCURRENCY_PER_ENVIRONMENT)?;
    }
    noted::check(settings)?;
    check_environment(&settings.environment)
}

fn check_range(name: &str, value: u32, range: &std::ops::RangeInclusive<u32>) -> Result<(), ServiceError> {
    let bound = if value < *range.start() {
        format!("greater than or equal to {}", range.start())
    } else if value > *range.end() {
        format!("less than or equal to {}", range.end())
    } else {
        return Ok(());
    };
    Err(ServiceError::Validation(format!(
        "1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: Member must have \
         value {bound}"
    )))
}

/// Values never show in messages: they may be secrets.
fn check_environment(Environment(variables): &Environment) -> Result<(), ServiceError> {
    const PREFIX: &str = "Lambda was unable to configure your environment variables because";
    let names = variables.iter().map(|(name, _)| name);
    let reserved: Vec<&str> = names.filter(|name| RESERVED_VARIABLES.contains(name)).collect();
    if !reserved.is_empty() {
        return invalid(&format!(
            "{PREFIX} the environment variables you have provided contains reserved keys that are currently not \
             supported for modification. Reserved keys used in this request: {}",
            reserved.join(", ")
        ));
    }
    let size_bytes = json_bytes(variables);
    if size_bytes > limits::ENVIRONMENT_BYTES_MAX {
        return invalid(&format!(
            "{PREFIX} the environment variables you have provided exceeded the 4KB limit. They take {size_bytes} \
             bytes."
        ));
    }
    let unusable =
        |name: &str, value: &str| name.is_empty() || name.contains(['=', '\0']) || value.contains('\0');
    match variables.iter().find(|(name, value)| unusable(name, value)) {
        Some((name, _)) => invalid(&format!("{PREFIX} {name:?} is not a variable that a process can have.")),
        None => Ok(()),
    }
}

/// As Lambda measures them: as the JSON of one object without spaces. Names and values are texts, which always have one.
fn json_bytes(variables: &Pairs) -> usize {
    serde_json::to_vec(&variables.to_map()).map_or(usize::MAX, |json| json.len())
}

fn invalid<T>(message: &str) -> Result<T, ServiceError> {
    Err(ServiceError::InvalidParameterValue(message.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use model::arn::Scope;
    use model::id::{AccountId, Region};

    use super::*;
    use crate::layer::Shelves;

    fn change() -> Change {
        Change {
            runtime: Some(RuntimeName::new("python3.12")),
            handler: Some("app.handler".to_owned()),
            role: Some("arn:aws:iam::000000000000:role/r".to_owned()),
            ..Change::default()
        }
    }

    fn nothing_shared() -> crate::layer::LayerPolicies {
        let data = tempfile::tempdir().expect("a directory");
        let store = store::Store::open(data.path()).expect("a store");
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let policies = runtime.block_on(crate::layer::LayerPolicies::load(&store.typed_records()));
        policies.expect("no policies")
    }

    /// Surroundings in which there is nothing to refer to.
    fn in_nothing<T>(check: impl FnOnce(&Surroundings<'_>) -> T) -> T {
        let scope = Scope { account: AccountId::DEFAULT, region: Region::default_region() };
        let (shelves, file_systems) = (Shelves::default(), BTreeMap::new());
        let policies = nothing_shared();
        check(&Surroundings {
            scope: &scope,
            shelves: &shelves,
            policies: &policies,
            file_systems: &file_systems,
        })
    }

    impl Change {
        /// Settings of a new function made of a zip that refers to nothing.
        pub(crate) fn into_settings_alone(self) -> Result<Settings, ServiceError> {
            in_nothing(|surroundings| self.into_settings(PackageKind::Zip, surroundings))
        }
    }

    fn settings(change: Change) -> Result<Settings, ServiceError> {
        change.into_settings_alone()
    }

    fn environment(variables: &[(&str, &str)]) -> Option<Environment> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Some(Environment(variables.iter().map(own).collect::<BTreeMap<_, _>>().into()))
    }

    fn check_refused(change: Change, expect: &str) {
        let message = settings(change).expect_err("refused").to_string();
        assert!(message.contains(expect), "{message:?} does not contain {expect:?}");
    }

    #[test]
    fn what_is_absent_gets_lambdas_default() {
        let settings = settings(change()).expect("legal settings");
        assert_eq!((settings.timeout_s, settings.memory_mb, settings.ephemeral_mb), (3, 128, 512));
        assert_eq!(settings.architecture, Architecture::HOST);
        assert_eq!(settings.logging.format, LogFormat::Text);
    }

    #[test]
    fn what_is_absent_from_an_update_stays() {
        let before = settings(Change { timeout_s: Some(7), ..change() }).expect("legal settings");
        let update = Change { memory_mb: Some(256), ..Change::default() };
        let after = in_nothing(|surroundings| update.apply(before.clone(), surroundings));
        assert_eq!(after.expect("legal settings"), Settings { memory_mb: 256, ..before });
    }

    #[test]
    fn json_logs_have_levels_and_text_logs_have_none() {
        let logging = |format, level: Option<&str>| {
            let change = LoggingChange {
                format: Some(format),
                application_level: level.map(str::to_owned),
                ..LoggingChange::default()
            };
            settings(Change { logging: Some(change), ..self::change() }).map(|s| s.logging)
        };
        let json = logging(LogFormat::Json, Some("DEBUG")).expect("legal settings");
        assert_eq!(json.application_level.as_deref(), Some("DEBUG"));
        assert_eq!(json.system_level.as_deref(), Some("INFO"));
        assert!(logging(LogFormat::Text, Some("DEBUG")).is_err());
    }

    #[test]
    fn settings_that_cannot_be_honoured_are_refused() {
        check_refused(Change { handler: None, ..change() }, "Runtime and Handler are mandatory");
        check_refused(
            Change { timeout_s: Some(901), ..change() },
            "at 'timeout' failed to satisfy constraint: Member must have value less than or equal to 900",
        );
        check_refused(Change { memory_mb: Some(127), ..change() }, "value greater than or equal to 128");
        check_refused(Change { ephemeral_mb: Some(1), ..change() }, "'ephemeralStorage.size'");
        let reserved = environment(&[("A", "1"), ("AWS_REGION", "x"), ("_HANDLER", "x")]);
        check_refused(
            Change { environment: reserved, ..change() },
            "Reserved keys used in this request: AWS_REGION, _HANDLER",
        );
        let snapshots = || NotedChange { snap_start: Some(true), ..NotedChange::default() };
        assert!(
            settings(Change { noted: snapshots(), ..change() }).expect("legal settings").noted.snap_start
        );
        let large = Change { noted: snapshots(), ephemeral_mb: Some(1_024), ..change() };
        check_refused(large, "EphemeralStorage larger than 512 MB is not supported for SnapStart");
        let old = Some(RuntimeName::new("python3.11"));
        check_refused(
            Change { noted: snapshots(), runtime: old, ..change() },
            "python3.11 is not supported for SnapStart enabled functions.",
        );
        let secret = "s".repeat(5_000);
        let large = Change { environment: environment(&[("A", &secret)]), ..change() };
        let message = settings(large).expect_err("too large").to_string();
        assert!(message.contains("exceeded the 4KB limit") && !message.contains("sss"), "{message}");
        // Measured as {"A":"x","B":"…"}: 16 bytes beside the value; a quotation mark takes two.
        for (value, fits) in
            [("b".repeat(4_080), true), ("b".repeat(4_081), false), ("\"".repeat(2_041), false)]
        {
            let change = Change { environment: environment(&[("A", "x"), ("B", &value)]), ..change() };
            assert_eq!(settings(change).is_ok(), fits, "{} bytes", value.len());
        }
    }
}
