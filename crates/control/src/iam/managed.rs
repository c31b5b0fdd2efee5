//! The policies that AWS provides and that tools attach by their well-known ARNs, as far as Lambda needs them.
//!
//! They belong to no account and never change. What they allow follows the AWS Managed Policy Reference Guide; actions
//! of services that are not served here are left out where that takes nothing away.

mod rows;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use model::iam::{Entity, Policy, PolicyVersion};
use model::id::AccountId;
use model::time::Timestamp;
use sha2::{Digest, Sha256};

use self::rows::{ROWS, Row};
use super::id::base32;

/// 6 February 2015, when managed policies came.
const CREATED: Timestamp = Timestamp::from_millis(1_423_181_700_000);

static ALL: LazyLock<BTreeMap<String, Arc<Policy>>> = LazyLock::new(|| {
    let policy = |row: &Row| {
        let arn = format!("arn:aws:iam::aws:policy{}{}", row.0, row.1);
        let policy = Arc::new(policy(row, &arn));
        (arn, policy)
    };
    ROWS.iter().map(policy).collect()
});

/// All by their ARNs.
pub(super) fn all() -> &'static BTreeMap<String, Arc<Policy>> {
    &ALL
}

/// The one with this ARN.
pub(super) fn find(arn: &str) -> Option<Arc<Policy>> {
    ALL.get(arn).cloned()
}

fn policy((path, name, description, statements): &Row, arn: &str) -> Policy {
    let hash = Sha256::digest(arn.as_bytes());
    let bits = hash.iter().take(16).fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte));
    let document = format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, statements.join(","));
    Policy {
        entity: Entity {
            // Never shown: the ARN of a built-in policy names no account.
            account: AccountId::DEFAULT,
            name: (*name).to_owned(),
            path: (*path).to_owned(),
            id: format!("ANPA{}", base32(bits, 17)),
            created: CREATED,
            tags: BTreeMap::new(),
        },
        description: Some((*description).to_owned()),
        updated: CREATED,
        versions: BTreeMap::from([(1, PolicyVersion { document, created: CREATED })]),
        default_version: 1,
        last_version: 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Document, Kind};

    #[test]
    fn every_built_in_policy_is_one() {
        assert_eq!(all().len(), ROWS.len());
        for (arn, policy) in all() {
            assert!(Document::parse(policy.document(), Kind::Identity).is_ok(), "{arn}");
        }
        assert!(find("arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole").is_some());
        assert!(find("arn:aws:iam::aws:policy/AWSLambdaBasicExecutionRole").is_none());
    }
}
