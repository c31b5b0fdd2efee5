//! What a function is: the settings that its owner chooses, the code that it runs, and the state that AWS's
//! waiters watch. A [`Function`] is a snapshot of one version; changing a function makes a new snapshot with a
//! new revision, so that a running invocation always sees one consistent whole.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::arn::FunctionId;
use crate::id::{Digest, RevisionId};
use crate::limits;
use crate::name::Version;
use crate::noted::{DirectRead, Noted, Origin};
use crate::pairs::Pairs;
use crate::runtime::RuntimeName;
use crate::time::Timestamp;

/// One version of a function, whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Function {
    /// Account, region and name.
    pub id: FunctionId,
    /// Which version this snapshot is.
    pub version: Version,
    /// What the owner set; versions that were made from the same settings share them.
    pub settings: Arc<Settings>,
    /// What it runs.
    pub code: Code,
    /// What was said of where that came from.
    pub origin: Origin,
    /// What is shown to tell whether anything has changed: settings, code, tags, its policy, or (for `$LATEST`) that a
    /// version was made of it.
    pub revision: RevisionId,
    /// By which its environments are told from those of other snapshots: the revision at the last change of settings or
    /// code. Not kept, since no environment outlives the process.
    pub build: RevisionId,
    /// When settings or code last changed.
    pub last_modified: Timestamp,
    /// Whether it can be invoked.
    pub state: State,
    /// How the last change of settings or code went.
    pub last_update: UpdateStatus,
    /// The owner's labels; some, such as `dormouse:idle-seconds`, steer Dormouse itself.
    pub tags: Pairs,
}

/// The settings of a function, every one of them chosen by its owner or defaulted.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// What is started in an environment.
    pub start: Start,
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
    /// Layers, merged at `/opt` in this order: later ones win. At most five.
    pub layers: Vec<Layer>,
    /// Shared directories mounted inside.
    pub file_systems: Vec<FileSystem>,
    /// Whether each environment serves one tenant only (`TenancyConfig.TenantIsolationMode` is `PER_TENANT`).
    pub tenant_isolation: bool,
    /// Asks for several invocations at once in one environment.
    pub capacity: Option<CapacityProvider>,
    /// What is said about things beside the code.
    pub noted: Noted,
}

/// What is started in an environment, by kind of package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// A handler in a zip, run by a language's runtime.
    Handler {
        /// Language and version.
        runtime: RuntimeName,
        /// The entry point, in the runtime's own notation.
        handler: String,
    },
    /// What the image says, unless overridden here.
    Image(ImageConfig),
}

/// `ImageConfig`: what replaces the image's own settings. Empty means: as in the image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageConfig {
    /// Replaces `ENTRYPOINT`.
    pub entry_point: Vec<String>,
    /// Replaces `CMD`.
    pub command: Vec<String>,
    /// Replaces `WORKDIR`.
    pub working_directory: Option<String>,
}

/// One version of a layer as a function uses it. The content is pinned: deleting the version does not take it
/// away from functions that have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// The ARN of the layer version.
    pub arn: String,
    /// Its content.
    pub zip: Zip,
}

/// A shared directory: `FileSystemConfigs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSystem {
    /// The ARN of an access point, which the machine's owner maps to a host directory.
    pub arn: String,
    /// Where it stands inside: below `/mnt/`.
    pub local_path: String,
    /// How an S3 file system is read; stored.
    pub direct_read: Option<DirectRead>,
}

/// `CapacityProviderConfig`: what is honoured of it here is the number of invocations that one environment takes at
/// once.
#[derive(Debug, Clone, PartialEq)]
pub struct CapacityProvider {
    /// The provider's ARN.
    pub arn: String,
    /// Invocations at once in one environment.
    pub concurrency: Option<u32>,
    /// Memory for each vCPU; stored.
    pub memory_gib_per_vcpu: Option<f64>,
}

impl Settings {
    /// Language and version; images have none.
    #[must_use]
    pub fn runtime(&self) -> Option<&RuntimeName> {
        match &self.start {
            Start::Handler { runtime, .. } => Some(runtime),
            Start::Image(_) => None,
        }
    }

    /// The entry point in the runtime's notation; images have none.
    #[must_use]
    pub fn handler(&self) -> Option<&str> {
        match &self.start {
            Start::Handler { handler, .. } => Some(handler),
            Start::Image(_) => None,
        }
    }
}

/// Environment variables. Their values are secrets: `Debug` shows names only.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Environment(pub Pairs);

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
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

/// The code of a function, pinned by its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Code {
    /// A deployment package.
    Zip(Zip),
    /// A container image.
    Image(Image),
}

/// A zip, named by its content: a function's package, or a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Zip {
    /// SHA-256 of the zip.
    pub digest: Digest,
    /// Size of the zip.
    pub size_bytes: u64,
}

/// A container image, resolved once and then pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// The reference as the owner gave it.
    pub uri: String,
    /// The same with the digest that it meant: `…@sha256:…`.
    pub resolved_uri: String,
    /// Digest of the manifest for this machine's architecture.
    pub digest: Digest,
    /// Compressed size of all layers.
    pub size_bytes: u64,
}

impl Code {
    /// SHA-256 of the zip, or of the image's manifest.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        match self {
            Self::Zip(zip) => zip.digest,
            Self::Image(image) => image.digest,
        }
    }

    /// The zip, unless it is an image.
    #[must_use]
    pub const fn zip(&self) -> Option<Zip> {
        match self {
            Self::Zip(zip) => Some(*zip),
            Self::Image(_) => None,
        }
    }

    /// Bytes that count as the account's code storage. Images are kept by their registry.
    #[must_use]
    pub const fn stored_bytes(&self) -> u64 {
        match self {
            Self::Zip(zip) => zip.size_bytes,
            Self::Image(_) => 0,
        }
    }
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
        self.tags.get("dormouse:freeze") != Some("false")
    }

    /// The longest run of one invocation.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(u64::from(self.settings.timeout_s))
    }

    /// How many invocations one environment takes at once.
    #[must_use]
    pub fn concurrency_per_environment(&self) -> u32 {
        self.settings.capacity.as_ref().and_then(|provider| provider.concurrency).unwrap_or(1).max(1)
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
