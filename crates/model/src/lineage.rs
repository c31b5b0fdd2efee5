//! How often a chain of invocations has come through each function, carried in its trace, so that functions that invoke
//! themselves in a circle are found and stopped.
//!
//! A trace is the text of `X-Amzn-Trace-Id`: `Root=…;Parent=…;Sampled=0;Lineage=HASH:COUNT|HASH:COUNT`. SDKs inside a
//! function send on what they find in `_X_AMZN_TRACE_ID`. The limit is Lambda's ("Use Lambda recursive loop detection
//! to prevent infinite loops": about 16 times); the form of the counters is our own, since AWS documents none.

use crate::arn::FunctionId;

/// Times that one chain may come through one function.
pub const HOPS_MAX: u32 = 16;
/// Functions of a chain that are counted; a longer chain forgets those that it met first.
const FUNCTIONS_MAX: usize = 8;
const FIELD: &str = "Lineage=";

/// The trace with one more hop through `function`, and how many hops through it that makes.
#[must_use]
pub fn step(trace: &str, function: &FunctionId) -> (String, u32) {
    let id = hash(&function.arn().to_string());
    let mut hops: Vec<(u32, u32)> =
        trace.split(';').find_map(|part| part.trim().strip_prefix(FIELD)).map_or_else(Vec::new, parse);
    let before = hops.iter().find(|(hash, _)| *hash == id).map_or(0, |(_, count)| *count);
    hops.retain(|(hash, _)| *hash != id);
    let count = before.saturating_add(1);
    hops.push((id, count));
    let hops = hops.split_off(hops.len().saturating_sub(FUNCTIONS_MAX));
    let lineage: Vec<String> = hops.iter().map(|(hash, count)| format!("{hash:08x}:{count}")).collect();
    let others = trace.split(';').filter(|part| !part.trim().starts_with(FIELD) && !part.is_empty());
    let trace =
        others.chain([format!("{FIELD}{}", lineage.join("|")).as_str()]).collect::<Vec<_>>().join(";");
    (trace, count)
}

/// What is not a counter is passed over: a trace comes from outside.
fn parse(lineage: &str) -> Vec<(u32, u32)> {
    let counter = |part: &str| {
        let (hash, count) = part.split_once(':')?;
        Some((u32::from_str_radix(hash, 16).ok()?, count.parse().ok()?))
    };
    let hops: Vec<_> = lineage.split('|').filter_map(counter).collect();
    hops.into_iter().rev().take(FUNCTIONS_MAX).rev().collect()
}

/// FNV-1a: enough to tell the few functions of one chain apart.
fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arn::Scope;
    use crate::id::{AccountId, Region};
    use crate::name::FunctionName;

    fn function(name: &str) -> FunctionId {
        let scope = Scope { account: AccountId::DEFAULT, region: Region::default_region() };
        FunctionId { scope, name: FunctionName::parse(name).expect("a name") }
    }

    #[test]
    fn each_function_of_a_chain_is_counted_for_itself() {
        let (mut trace, mut counts) = ("Root=1-2-3;Parent=4;Sampled=0".to_owned(), Vec::new());
        for name in ["a", "b", "a", "a", "b"] {
            let (next, count) = step(&trace, &function(name));
            (trace, counts) = (next, [counts, vec![count]].concat());
        }
        assert_eq!(counts, [1, 1, 2, 3, 2]);
        assert!(trace.starts_with("Root=1-2-3;Parent=4;Sampled=0;Lineage="), "{trace}");
        assert_eq!(trace.matches("Lineage=").count(), 1);
    }

    #[test]
    fn nonsense_is_passed_over_and_chains_stay_short() {
        for trace in ["", ";;", "Lineage=", "Lineage=x:y|:|zz", "Lineage=00000001:99999999999", "=;=;"] {
            assert_eq!(step(trace, &function("a")).1, 1, "{trace}");
        }
        let mut trace = "Root=1".to_owned();
        for number in 0..100 {
            trace = step(&trace, &function(&format!("f{number}"))).0;
        }
        assert!(trace.len() < 160, "{trace}");
    }
}
