//! What all operations on several messages have in common: how many, how their entries are called, and which of them failed.
//!
//! Source: SQS API Reference, `SendMessageBatch`.

use std::collections::HashSet;

use model::error::ServiceError;
use wire::sqs::{self as api, errors};

/// Entries of a batch.
const ENTRIES_MAX: usize = 10;
/// Characters of an entry's id.
const ID_CHARS_MAX: usize = 80;

/// Refuses a batch that is none.
pub(super) fn check(kind: &str, ids: &[Option<&str>]) -> Result<(), ServiceError> {
    if ids.is_empty() {
        return Err(errors::EMPTY_BATCH_REQUEST
            .error(format!("There should be at least one {kind}RequestEntry in the request.")));
    }
    if ids.len() > ENTRIES_MAX {
        return Err(errors::TOO_MANY_ENTRIES_IN_BATCH_REQUEST.error(format!(
            "Maximum number of entries per request are {ENTRIES_MAX}. You have sent {}.",
            ids.len()
        )));
    }
    let mut known = HashSet::new();
    for id in ids.iter().map(|id| id.unwrap_or_default()) {
        let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if id.is_empty() || id.len() > ID_CHARS_MAX || !id.bytes().all(is_legal) {
            return Err(errors::INVALID_BATCH_ENTRY_ID.error(
                "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at \
                 most 80 letters long.",
            ));
        }
        if !known.insert(id) {
            return Err(errors::BATCH_ENTRY_IDS_NOT_DISTINCT.error(format!("Id {id} repeated.")));
        }
    }
    Ok(())
}

/// An entry that failed.
pub(super) fn failed(id: Option<&String>, error: &ServiceError) -> api::BatchResultErrorEntry {
    let (code, sender_fault) = wire::json_rpc::query_code(&api::SERVICE, error);
    api::BatchResultErrorEntry {
        id: id.cloned(),
        sender_fault: Some(sender_fault),
        code: Some(code.to_owned()),
        message: Some(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_bounded_and_their_ids_tell_them_apart() {
        let eleven: Vec<String> = (0..11).map(|n| n.to_string()).collect();
        let eleven: Vec<Option<&str>> = eleven.iter().map(|id| Some(id.as_str())).collect();
        let long = "x".repeat(81);
        for (ids, code) in [
            (&eleven[..0], "EmptyBatchRequest"),
            (&eleven[..], "TooManyEntriesInBatchRequest"),
            (&[Some("a.b")][..], "InvalidBatchEntryId"),
            (&[Some("")][..], "InvalidBatchEntryId"),
            (&[Some(long.as_str())][..], "InvalidBatchEntryId"),
            (&[Some("a"), Some("a")][..], "BatchEntryIdsNotDistinct"),
        ] {
            let refused = check("SendMessageBatch", ids).expect_err(code);
            assert!(
                matches!(refused, ServiceError::Modeled { code: found, .. } if found == code),
                "{refused:?}"
            );
        }
        assert_eq!(check("SendMessageBatch", &eleven[..10]), Ok(()));
    }
}
