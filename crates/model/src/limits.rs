//! Every limit in one place, with the public AWS quota that it follows. Limits are asserted where input enters
//! and wherever memory or time is spent on somebody else's behalf.
//!
//! Source of the quotas: AWS Lambda Developer Guide, "Lambda quotas" and "Configure Lambda function memory",
//! unless a line says otherwise.

use std::time::Duration;

/// One binary megabyte; Lambda's "MB" are these.
pub const MB: u64 = 1024 * 1024;

/// Request and response payload of a synchronous invocation: 6 MB.
pub const PAYLOAD_SYNC_BYTES_MAX: usize = 6 * 1024 * 1024;
/// The payload of an asynchronous invocation: 1 MB.
pub const PAYLOAD_ASYNC_BYTES_MAX: usize = 1024 * 1024;
/// A streamed response: 200 MB.
pub const PAYLOAD_STREAM_BYTES_MAX: u64 = 200 * MB;
/// A whole API request that carries code: 50 MB in Base64. AWS's own message about it states this number.
pub const REQUEST_BYTES_MAX: usize = 69_905_067;
/// A zip sent inline: 50 MB.
pub const ZIP_BYTES_MAX: usize = 50 * 1024 * 1024;
/// A deployment package once unzipped, layers included: 250 MB.
pub const UNZIPPED_BYTES_MAX: u64 = 262_144_000;
/// Entries in a zip. AWS publishes none; a directory of more files than this costs more to mount than to run.
pub const ZIP_ENTRIES_MAX: usize = 100_000;
/// `ClientContext`: 3,583 bytes of Base64.
pub const CLIENT_CONTEXT_BYTES_MAX: usize = 3_583;
/// The log tail returned with `LogType=Tail`: the last 4 KB.
pub const LOG_TAIL_BYTES: usize = 4 * 1024;
/// One log event: 256 KB (CloudWatch Logs quota); longer lines are cut into several.
pub const LOG_EVENT_BYTES_MAX: usize = 256 * 1024;
/// Environment variables, as the JSON of one object without spaces: 4 KB.
pub const ENVIRONMENT_BYTES_MAX: usize = 4 * 1024;

/// Memory of a function in MB.
pub const MEMORY_MB: std::ops::RangeInclusive<u32> = 128..=10_240;
/// Memory where none is asked for.
pub const MEMORY_MB_DEFAULT: u32 = 128;
/// Function timeout in seconds.
pub const TIMEOUT_S: std::ops::RangeInclusive<u32> = 1..=900;
/// Timeout where none is asked for.
pub const TIMEOUT_S_DEFAULT: u32 = 3;
/// Size of `/tmp` in MB.
pub const EPHEMERAL_MB: std::ops::RangeInclusive<u32> = 512..=10_240;
/// Size of `/tmp` where none is asked for.
pub const EPHEMERAL_MB_DEFAULT: u32 = 512;
/// Size of `/tmp` in MB beside an accelerator.
pub const EPHEMERAL_MB_ACCELERATED: std::ops::RangeInclusive<u32> = 512..=32_768;
/// Days for which the history of a durable execution is kept where nothing else is asked for.
pub const DURABLE_RETENTION_DAYS_DEFAULT: u32 = 14;
/// Memory that buys one whole vCPU.
pub const MEMORY_MB_PER_VCPU: u32 = 1_769;
/// Processes and threads in one environment.
pub const PROCESSES_MAX: u32 = 1_024;
/// Open files of one process in an environment.
pub const OPEN_FILES_MAX: u64 = 1_024;
/// Tags on one function.
pub const TAGS_MAX: usize = 50;

/// Init phase of an on-demand environment.
pub const INIT_MAX: Duration = Duration::from_secs(10);
/// Init phase of an environment that is provisioned, where the function's timeout is not longer.
pub const PROVISIONED_INIT_MAX: Duration = Duration::from_secs(130);
/// Shutdown phase where an external extension is registered.
pub const SHUTDOWN_EXTERNAL_MAX: Duration = Duration::from_secs(2);
/// Shutdown phase where only internal extensions are registered.
pub const SHUTDOWN_INTERNAL_MAX: Duration = Duration::from_millis(500);
/// Extensions of one environment, internal and external.
pub const EXTENSIONS_MAX: usize = 10;
/// Filters of one event source mapping.
pub const EVENT_FILTERS_MAX: usize = 5;
/// Event source mappings listed on one page.
pub const EVENT_SOURCE_MAPPINGS_PAGE_MAX: usize = 100;
/// Layers of one function.
pub const LAYERS_MAX: usize = 5;
/// A container image, unpacked: 10 GB.
pub const IMAGE_BYTES_MAX: u64 = 10 * 1024 * MB;
/// Invocations at once in one environment, where its function asks for several. AWS's model allows 1 to 1,600.
pub const CONCURRENCY_PER_ENVIRONMENT: std::ops::RangeInclusive<u32> = 1..=1_600;
/// What reservations have to leave for functions without one; half of it all, where there is less than twice as much.
/// Source: Developer Guide, "Configuring reserved concurrency".
pub const UNRESERVED_MIN: u32 = 100;
/// Concurrent invocations of an account where the hardware allows it.
pub const CONCURRENCY_DEFAULT: u32 = 1_000;

/// How long a signature stays valid around its time (AWS General Reference, Signature Version 4).
pub const CLOCK_SKEW_MAX: Duration = Duration::from_secs(5 * 60);
/// How long the address in `Code.Location` works (GetFunction: "valid for 10 minutes").
pub const CODE_LOCATION_VALID: Duration = Duration::from_secs(10 * 60);

/// Idle time after which an environment is removed, where the function sets none. AWS publishes no figure.
pub const IDLE_DEFAULT: Duration = Duration::from_secs(10 * 60);
/// Longest time that an environment lives, so that its credentials never run out under it.
pub const ENVIRONMENT_AGE_MAX: Duration = Duration::from_secs(10 * 3600);
/// How long an execution role's credentials are valid.
pub const ROLE_CREDENTIALS_VALID: Duration = Duration::from_secs(12 * 3600);
/// How long the server waits for running invocations when it is told to stop.
pub const DRAIN_MAX: Duration = Duration::from_secs(30);
/// Bytes of log kept per function before the oldest are dropped.
pub const LOG_GROUP_BYTES_MAX: u64 = 64 * MB;
/// The policy of a function or of a layer version: 20 KB.
pub const RESOURCE_POLICY_BYTES_MAX: usize = 20 * 1024;
/// Functions listed on one page.
pub const LIST_PAGE_MAX: usize = 50;

/// How much an account may have in one region: what at AWS is a quota of the account rather than a property of the
/// service. The default is AWS's; tests reach the end sooner with less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quotas {
    /// Code of all versions of functions and layers: 75 GB.
    pub code_bytes: u64,
    /// Aliases of one function. AWS documents no figure; this one bounds memory.
    pub aliases: usize,
    /// Event source mappings. AWS documents no figure; this one bounds memory.
    pub event_source_mappings: usize,
    /// Capacity providers.
    pub capacity_providers: usize,
    /// Versions of functions on one capacity provider, `$LATEST` among them.
    pub provider_versions: usize,
    /// Users, groups, roles and managed policies, of each kind; the kinds have figures of their own, none above this.
    pub identities: usize,
    /// Messages of one SQS queue that are out at once; a FIFO queue has a figure of its own, not above this.
    pub messages_out: u64,
    /// Topics of SNS of one account in one region (SNS Developer Guide, "Amazon SNS quotas").
    pub topics: usize,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            code_bytes: 80_530_636_800,
            aliases: 1_000,
            event_source_mappings: 10_000,
            capacity_providers: 1_000,
            provider_versions: 100,
            identities: 5_000,
            messages_out: crate::sqs::OUT_MAX,
            topics: 100_000,
        }
    }
}
