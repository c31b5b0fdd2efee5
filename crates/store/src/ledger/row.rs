//! One row of the ledger as bytes: eight hexadecimal digits of CRC-32 (IEEE), a space, a JSON object, a line
//! feed. The sum covers the JSON. So a row can be read with any pager, cut out with `grep`, parsed with
//! `cut -c10- | jq`, and a torn or damaged one is noticed.
//!
//! The field `v` is the version of the row. Durations and sizes carry their unit in the name.

use std::borrow::Cow;
use std::io::Write;
use std::time::Duration;

use model::arn::{FunctionId, Scope};
use model::function::Architecture;
use model::id::{AccountId, EnvironmentId, Region, RequestId};
use model::lease::{Lease, LeaseOutcome, StartReason};
use model::name::{FunctionName, Qualifier, TenantId, Version};
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

/// Longest row, line feed included; a real one has about 430 bytes.
pub(super) const ROW_BYTES_MAX: usize = 4_096;
/// Room to begin with when a row is written.
const ROW_BYTES_TYPICAL: usize = 512;
/// Eight digits and a space.
const SUM_BYTES: usize = 9;

/// Version 2 added the tenant.
const VERSION: u32 = 2;

/// The request id comes early, so that reading only that is quick.
#[derive(Serialize, Deserialize)]
struct Row<'a> {
    v: u32,
    #[serde(borrow)]
    request: Cow<'a, str>,
    account: Cow<'a, str>,
    region: Cow<'a, str>,
    function: Cow<'a, str>,
    version: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    tenant: Option<Cow<'a, str>>,
    environment: Cow<'a, str>,
    started_ms: i64,
    architecture: Cow<'a, str>,
    memory_mb: u32,
    billed_ms: u64,
    init_us: Option<u64>,
    peak_memory_bytes: u64,
    bytes_in: u64,
    bytes_out: u64,
    reason: Cow<'a, str>,
    outcome: Cow<'a, str>,
}

#[derive(Deserialize)]
struct RequestOnly<'a> {
    #[serde(borrow)]
    request: Cow<'a, str>,
}

/// The bytes of a row, line feed included.
pub(super) fn encode(lease: &Lease) -> Vec<u8> {
    let FunctionId { scope, name } = &lease.function;
    let row = Row {
        v: VERSION,
        request: lease.request.to_string().into(),
        account: scope.account.as_str().into(),
        region: scope.region.as_str().into(),
        function: name.as_str().into(),
        version: match lease.version {
            Version::Latest => "$LATEST".into(),
            Version::Published(number) => number.to_string().into(),
        },
        tenant: lease.tenant.as_ref().map(|tenant| tenant.as_str().into()),
        environment: lease.environment.to_string().into(),
        started_ms: lease.started.as_millis(),
        architecture: lease.architecture.as_str().into(),
        memory_mb: lease.memory_mb,
        billed_ms: lease.billed_ms,
        init_us: lease.init.map(|init| u64::try_from(init.as_micros()).unwrap_or(u64::MAX)),
        peak_memory_bytes: lease.peak_memory_bytes,
        bytes_in: lease.bytes_in,
        bytes_out: lease.bytes_out,
        reason: lease.reason.as_str().into(),
        outcome: lease.outcome.as_str().into(),
    };
    let mut bytes = Vec::with_capacity(ROW_BYTES_TYPICAL);
    bytes.extend_from_slice(&[b' '; SUM_BYTES]);
    // Neither can fail: the target is memory, and the row is numbers and strings.
    let _ = serde_json::to_writer(&mut bytes, &row);
    let sum = crc32fast::hash(&bytes[SUM_BYTES..]);
    let _ = write!(&mut bytes[..SUM_BYTES], "{sum:08x}");
    bytes.push(b'\n');
    bytes
}

/// The JSON of a row (given without its line feed) if its sum is right.
pub(super) fn verify(line: &[u8]) -> Option<&[u8]> {
    let (sum, json) = line.split_at_checked(SUM_BYTES)?;
    let (digits, space) = sum.split_at(SUM_BYTES - 1);
    let lower_hex = |b: &u8| b.is_ascii_digit() || (b'a'..=b'f').contains(b);
    let sum = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    (digits.iter().all(lower_hex) && space == b" " && crc32fast::hash(json) == sum).then_some(json)
}

/// The request that a verified row is about.
pub(super) fn request_of(json: &[u8]) -> Option<RequestId> {
    let row: RequestOnly<'_> = serde_json::from_slice(json).ok()?;
    RequestId::parse(&row.request).ok()
}

/// A verified row as a lease. `None` if it is of a later version or holds something illegal.
pub(super) fn decode(json: &[u8]) -> Option<Lease> {
    let row: Row<'_> = serde_json::from_slice(json).ok()?;
    if !(1..=VERSION).contains(&row.v) {
        return None;
    }
    let scope =
        Scope { account: AccountId::parse(&row.account).ok()?, region: Region::parse(&row.region).ok()? };
    let Ok(Qualifier::Version(version)) = Qualifier::parse(&row.version) else { return None };
    Some(Lease {
        request: RequestId::parse(&row.request).ok()?,
        function: FunctionId { scope, name: FunctionName::parse(&row.function).ok()? },
        version,
        tenant: row.tenant.map(|tenant| TenantId::parse(&tenant)).transpose().ok()?,
        environment: EnvironmentId::parse(&row.environment).ok()?,
        started: Timestamp::from_millis(row.started_ms),
        architecture: one_of(&row.architecture, [Architecture::X86_64, Architecture::Arm64], |a| a.as_str())?,
        memory_mb: row.memory_mb,
        billed_ms: row.billed_ms,
        init: row.init_us.map(Duration::from_micros),
        peak_memory_bytes: row.peak_memory_bytes,
        bytes_in: row.bytes_in,
        bytes_out: row.bytes_out,
        reason: one_of(&row.reason, [StartReason::Warm, StartReason::Cold, StartReason::Queued], |r| {
            r.as_str()
        })?,
        outcome: one_of(
            &row.outcome,
            [LeaseOutcome::Success, LeaseOutcome::FunctionError, LeaseOutcome::TimedOut, LeaseOutcome::Fault],
            |o| o.as_str(),
        )?,
    })
}

fn one_of<T: Copy, const N: usize>(text: &str, all: [T; N], name: impl Fn(T) -> &'static str) -> Option<T> {
    all.into_iter().find(|candidate| name(*candidate) == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN_V1: &[u8] = include_bytes!("../../golden/ledger-v1.rows");
    const GOLDEN_V2: &[u8] = include_bytes!("../../golden/ledger-v2.rows");

    fn golden() -> [Lease; 2] {
        let scope = Scope {
            account: AccountId::parse("123456789012").unwrap(),
            region: Region::parse("eu-central-1").unwrap(),
        };
        let first = Lease {
            request: RequestId::from_random([1; 16]),
            function: FunctionId { scope, name: FunctionName::parse("hello").unwrap() },
            version: Version::Latest,
            tenant: None,
            environment: EnvironmentId::from_random([2; 16]),
            started: Timestamp::from_millis(1_764_000_000_123),
            architecture: Architecture::X86_64,
            memory_mb: 128,
            billed_ms: 3,
            init: Some(Duration::from_micros(81_250)),
            peak_memory_bytes: 41_943_040,
            bytes_in: 17,
            bytes_out: 29,
            reason: StartReason::Cold,
            outcome: LeaseOutcome::Success,
        };
        let second = Lease {
            request: RequestId::from_random([3; 16]),
            version: Version::Published(12),
            architecture: Architecture::Arm64,
            init: None,
            reason: StartReason::Queued,
            outcome: LeaseOutcome::TimedOut,
            ..first.clone()
        };
        [first, second]
    }

    fn check_readable(rows: &[u8], leases: &[Lease]) {
        let lines: Vec<&[u8]> = rows.trim_ascii_end().split(|b| *b == b'\n').collect();
        assert_eq!(lines.len(), leases.len());
        for (line, lease) in lines.into_iter().zip(leases) {
            let json = verify(line).expect("a right sum");
            assert_eq!(request_of(json), Some(lease.request));
            assert_eq!(decode(json).as_ref(), Some(lease));
        }
    }

    #[test]
    fn version_1_stays_readable() {
        check_readable(GOLDEN_V1, &golden());
    }

    #[test]
    fn version_2_is_written_to_the_byte_and_stays_readable() {
        let [first, second] = golden();
        let leases = [first, Lease { tenant: Some(TenantId::parse("blue: 7").unwrap()), ..second }];
        let written: Vec<u8> = leases.iter().flat_map(encode).collect();
        assert_eq!(String::from_utf8(written).unwrap(), String::from_utf8(GOLDEN_V2.to_vec()).unwrap());
        check_readable(GOLDEN_V2, &leases);
    }

    #[test]
    fn every_word_of_a_row_is_read_back() {
        let [lease, _] = golden();
        for reason in [StartReason::Warm, StartReason::Cold, StartReason::Queued] {
            for outcome in [
                LeaseOutcome::Success,
                LeaseOutcome::FunctionError,
                LeaseOutcome::TimedOut,
                LeaseOutcome::Fault,
            ] {
                let lease = Lease { reason, outcome, ..lease.clone() };
                let bytes = encode(&lease);
                assert_eq!(verify(&bytes[..bytes.len() - 1]).and_then(decode), Some(lease));
            }
        }
    }

    #[test]
    fn any_changed_byte_breaks_the_sum() {
        let bytes = encode(&golden()[0]);
        let line = &bytes[..bytes.len() - 1];
        assert!(verify(line).is_some());
        for index in 0..line.len() {
            let mut damaged = line.to_vec();
            damaged[index] ^= 1;
            assert!(verify(&damaged).is_none(), "byte {index}");
            assert!(verify(&line[..index]).is_none(), "cut at {index}");
        }
        assert!(verify(b"").is_none());
    }

    #[test]
    fn a_row_of_a_later_version_is_not_guessed_at() {
        assert_eq!(decode(br#"{"v":3,"request":"01010101-0101-4101-8101-010101010101"}"#), None);
    }
}
