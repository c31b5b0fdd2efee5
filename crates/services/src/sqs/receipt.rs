//! Receipt handles: one hand-out of one message, sealed, so that nobody settles what was not handed out.
//!
//! Base64 of: version (1 byte), sequence (8 bytes), receives (4 bytes), and 16 bytes of HMAC-SHA-256 over these and the name
//! of the queue; so a handle of another queue, or of an earlier queue of the same name, is not valid here.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use model::error::ServiceError;
use model::queue::{QueueName, Receipt};
use sha2::Sha256;

use super::error;

const VERSION: u8 = 1;
const TOLD_BYTES: usize = 1 + 8 + 4;
const SEAL_BYTES: usize = 16;
/// Keeps this use of a key apart from others.
const LABEL: &[u8] = b"dormouse receipt handle\0";

/// Seals receipts. Never shown.
#[derive(Clone)]
pub struct ReceiptKey(Hmac<Sha256>);

impl fmt::Debug for ReceiptKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReceiptKey(…)")
    }
}

impl ReceiptKey {
    /// A key made from a secret of the server's.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        // HMAC takes keys of any length.
        Self(Hmac::new_from_slice(secret).unwrap_or_else(|_| Hmac::new(&Default::default())))
    }

    /// The handle of a hand-out.
    pub(super) fn handle(&self, queue: &QueueName, receipt: Receipt) -> String {
        let mut bytes = Vec::with_capacity(TOLD_BYTES + SEAL_BYTES);
        bytes.push(VERSION);
        bytes.extend(receipt.sequence.to_be_bytes());
        bytes.extend(receipt.receives.to_be_bytes());
        let seal = self.seal(queue, &bytes).finalize().into_bytes();
        bytes.extend(&seal[..SEAL_BYTES]);
        STANDARD.encode(bytes)
    }

    /// The hand-out of a handle.
    pub(super) fn receipt(&self, queue: &QueueName, handle: &str) -> Result<Receipt, ServiceError> {
        self.opened(queue, handle).ok_or_else(|| error::receipt(handle))
    }

    fn opened(&self, queue: &QueueName, handle: &str) -> Option<Receipt> {
        let bytes = STANDARD.decode(handle).ok().filter(|bytes| bytes.len() == TOLD_BYTES + SEAL_BYTES)?;
        let (told, seal) = bytes.split_at(TOLD_BYTES);
        self.seal(queue, told).verify_truncated_left(seal).ok()?;
        let (sequence, receives) = told[1..].split_at(8);
        Some(Receipt {
            sequence: u64::from_be_bytes(sequence.try_into().ok()?),
            receives: u32::from_be_bytes(receives.try_into().ok()?),
        })
    }

    fn seal(&self, queue: &QueueName, told: &[u8]) -> Hmac<Sha256> {
        let mut seal = self.0.clone();
        seal.update(LABEL);
        seal.update(told);
        seal.update(queue.as_str().as_bytes());
        seal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_good_for_its_queue_and_only_as_it_was_made() {
        let key = ReceiptKey::new(b"a key");
        let queue = |name| QueueName::parse(name).expect("a name");
        let receipt = Receipt { sequence: 7, receives: 2 };
        let handle = key.handle(&queue("sqs/a"), receipt);
        assert_eq!(key.receipt(&queue("sqs/a"), &handle), Ok(receipt));
        assert!(key.receipt(&queue("sqs/b"), &handle).is_err());
        assert!(ReceiptKey::new(b"another").receipt(&queue("sqs/a"), &handle).is_err());
        let mut bytes = STANDARD.decode(&handle).expect("Base64");
        bytes[8] += 1;
        for forged in [STANDARD.encode(&bytes), String::new(), "x".to_owned(), handle[4..].to_owned()] {
            assert!(key.receipt(&queue("sqs/a"), &forged).is_err(), "{forged}");
        }
    }
}
