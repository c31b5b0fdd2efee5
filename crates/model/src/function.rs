//! What a function is: the settings that its owner chooses, the code that it runs, and the state that AWS's
//! waiters watch. A [`Function`] is a snapshot of one version; changing a function makes a new snapshot with a
//! new revision, so that a running invocation always sees one consistent whole.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::arn::FunctionId;
use crate::id::{Digest, RevisionId};
use crate::limits;
use crate::name::Version;
use crate::runtime::RuntimeName;
use crate::time::Timestamp;

/// One version of a function, whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Function {
    /// Account, region and name.
    pub id: FunctionId,
    /// Which version this snapshot is.
    pub version: Version,
    /// What the owner set.
    pub settings: Settings,
    /// What it runs.
    pub code: Code,
    /// Changes with every change of settings or code.
    pub revision: RevisionId,
    /// When settings or code last changed.
    pub last_modified: Timestamp,
    /// Whether it can be invoked.
    pub state: State,
    /// How the last change of settings or code went.
    pub last_update: UpdateStatus,
    /// The owner's labels; some, such as `dormouse:idle-seconds`, steer Dormouse itself.
    pub tags: BTreeMap<String, String>,
}

/// The settings of a function, every one of them chosen by its owner or defaulted.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Language and version.
    pub runtime: RuntimeName,
    /// The entry point, in the runtime's own notation.
    pub handler: String,
    /// ARN of the execution role.
    pub role: String,
    /// Free text of up to 256 characters.
    pub description: String,
    /// Longest run of one invocation.
    pub timeout_s: u32,
    /// Memory, which also sets the share of CPU.
    pub memory_mb: u32,
    /// Size of `/tmp`.
    pub ephemeral_mb: u32,
    /// Environment variables.
    pub environment: Environment,
    /// The instruction set that the code is built for.
    pub architecture: Architecture,
    /// Whether traces are sampled here or passed through.
    pub tracing: TracingMode,
    /// Form and place of the logs.
    pub logging: Logging,
}

/// Environment variables. Their values are secrets: `Debug` shows names only.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Environment(pub BTreeMap<String, String>);

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Instruction sets as Lambda names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// `x86_64`.
    X86_64,
    /// `arm64`.
    Arm64,
}

impl Architecture {
    /// The architecture of this machine.
    pub const HOST: Architecture =
        if cfg!(target_arch = "aarch64") { Architecture::Arm64 } else { Architecture::X86_64 };

    /// Lambda's name for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
        }
    }
}

/// `TracingConfig.Mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TracingMode {
    /// Sample requests here.
    Active,
    /// Only follow the caller's decision.
    PassThrough,
}

/// `LoggingConfig`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logging {
    /// Text lines or JSON objects.
    pub format: LogFormat,
    /// Least level of the function's own messages; only with JSON.
    pub application_level: Option<String>,
    /// Least level of the platform's messages; only with JSON.
    pub system_level: Option<String>,
    /// Where the logs go, if not to `/aws/lambda/NAME`.
    pub group: Option<String>,
}

/// The two forms of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Plain lines.
    Text,
    /// One JSON object a line.
    Json,
}

/// The code of a function: a zip, named by its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// SHA-256 of the zip.
    pub digest: Digest,
    /// Size of the zip.
    pub size_bytes: u64,
}

/// Whether a function can be invoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Its code is being prepared.
    Pending,
    /// Ready.
    Active,
    /// Its code could not be prepared.
    Failed {
        /// What went wrong, for the owner.
        reason: String,
    },
}

/// How the last change went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpdateStatus {
    /// The change is in force.
    Successful,
    /// The change is being prepared; the previous code still runs.
    InProgress,
    /// The change could not be prepared.
    Failed {
        /// What went wrong, for the owner.
        reason: String,
    },
}

impl Function {
    /// The log group: the one that was set, or `/aws/lambda/NAME`.
    #[must_use]
    pub fn log_group(&self) -> String {
        self.settings.logging.group.clone().unwrap_or_else(|| format!("/aws/lambda/{}", self.id.name))
    }

    /// How long an idle environment is kept: the tag `dormouse:idle-seconds`, or the default.
    #[must_use]
    pub fn idle(&self) -> Duration {
        let seconds = self.tags.get("dormouse:idle-seconds").and_then(|text| text.parse().ok());
        seconds.map_or(limits::IDLE_DEFAULT, Duration::from_secs)
    }

    /// Whether idle environments are frozen: unless the tag `dormouse:freeze` says `false`.
    #[must_use]
    pub fn freezes(&self) -> bool {
        self.tags.get("dormouse:freeze").is_none_or(|text| text != "false")
    }

    /// The longest run of one invocation.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(u64::from(self.settings.timeout_s))
    }

    /// Memory in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        u64::from(self.settings.memory_mb) * limits::MB
    }

    /// Share of CPU in thousandths of a core: 1,769 MB buy one whole.
    #[must_use]
    pub fn cpu_millis(&self) -> u32 {
        self.settings.memory_mb.saturating_mul(1_000).div_ceil(limits::MEMORY_MB_PER_VCPU)
    }
}
