//! Sealing: secrets inside records are encrypted under a key of the data directory, so that a copy of the records
//! alone (a backup, a look with SQLite) shows none of them.
//!
//! AES-256-GCM with a random nonce. What is sealed is bound to a label, such as the kind and name of its record: moved
//! to another place it does not open. Whoever has the whole data directory has the key too.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};

use crate::secrets::{SecretError, Secrets};

/// Name of the secret that seals.
const SECRET_NAME: &str = "records";
const KEY_BYTES: usize = 32;

/// Seals and opens. Never shown.
pub struct Sealer {
    key: LessSafeKey,
    random: SystemRandom,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(…)")
    }
}

/// What was sealed under another key, for another place, or has been changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it was not sealed here")]
pub struct NotSealedHere;

impl Sealer {
    /// Takes the data directory's key, making it at first use. Blocks on the disk.
    ///
    /// # Errors
    /// [`SecretError`] when it can neither be read nor made.
    pub fn open(secrets: &Secrets) -> Result<Self, SecretError> {
        let random = SystemRandom::new();
        let make = || {
            let mut key = vec![0; KEY_BYTES];
            // An empty secret is refused by the store, so a failing source of randomness never makes a key.
            if random.fill(&mut key).is_err() {
                key.clear();
            }
            key
        };
        let secret = secrets.get_or_create(SECRET_NAME, make)?;
        Self::new(secret.expose()).ok_or(SecretError::Unusable { name: SECRET_NAME })
    }

    /// A sealer with this key of 32 bytes; none if it has another length.
    #[must_use]
    pub fn new(key: &[u8]) -> Option<Self> {
        let key = UnboundKey::new(&AES_256_GCM, key).ok()?;
        Some(Self { key: LessSafeKey::new(key), random: SystemRandom::new() })
    }

    /// The text under which `secret` is kept at the place that `label` names.
    #[must_use]
    pub fn seal(&self, label: &str, secret: &[u8]) -> String {
        let mut nonce = [0; NONCE_LEN];
        let mut bytes = secret.to_vec();
        // Neither fails while the system gives randomness; without it nothing may be written in the clear.
        let sealed = self.random.fill(&mut nonce).and_then(|()| {
            let nonce = Nonce::assume_unique_for_key(nonce);
            self.key.seal_in_place_append_tag(nonce, Aad::from(label), &mut bytes)
        });
        if sealed.is_err() {
            return String::new();
        }
        let mut whole = nonce.to_vec();
        whole.append(&mut bytes);
        STANDARD_NO_PAD.encode(whole)
    }

    /// What was sealed for `label`.
    ///
    /// # Errors
    /// [`NotSealedHere`].
    pub fn unseal(&self, label: &str, sealed: &str) -> Result<Vec<u8>, NotSealedHere> {
        let mut whole = STANDARD_NO_PAD.decode(sealed).map_err(|_| NotSealedHere)?;
        let (nonce, bytes) = whole.split_at_mut_checked(NONCE_LEN).ok_or(NotSealedHere)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| NotSealedHere)?;
        let opened = self.key.open_in_place(nonce, Aad::from(label), bytes);
        let length = opened.map_err(|_| NotSealedHere)?.len();
        whole.truncate(NONCE_LEN + length);
        whole.drain(..NONCE_LEN);
        Ok(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_at_its_own_place_only() {
        let sealer = Sealer::new(&[7; KEY_BYTES]).unwrap();
        let sealed = sealer.seal("function a", b"hunter2");
        assert!(!sealed.is_empty() && sealed != sealer.seal("function a", b"hunter2"));
        assert_eq!(sealer.unseal("function a", &sealed), Ok(b"hunter2".to_vec()));
        assert_eq!(sealer.unseal("function b", &sealed), Err(NotSealedHere));
        let other = Sealer::new(&[8; KEY_BYTES]).unwrap();
        assert_eq!(other.unseal("function a", &sealed), Err(NotSealedHere));
        for damaged in ["", "x", "AAAA", &sealed[1..], &sealed[..sealed.len() - 2]] {
            assert_eq!(sealer.unseal("function a", damaged), Err(NotSealedHere), "{damaged}");
        }
        assert!(Sealer::new(&[7; 31]).is_none());
    }
}
