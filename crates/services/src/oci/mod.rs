//! The words of the OCI image and distribution specifications: digests, names, media types, manifests and
//! image configurations, parsed and checked. The registry and the image store share them.
//!
//! Pure: nothing here reads a file or a socket. Whatever is parsed here came from outside and is hostile until
//! parsed; a value of these types is well formed.

pub mod config;
pub mod manifest;
pub mod media_type;
pub mod name;

use model::id::Digest;
use sha2::{Digest as _, Sha256};

/// Why a text is not a digest that can be used here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// Not `algorithm:encoded`.
    #[error("{text:?} is not a digest such as sha256:<64 lower-case hexadecimal digits>")]
    Malformed {
        /// The text, shortened.
        text: String,
    },
    /// Well formed, by an algorithm that is not supported. The specification obliges registries to `sha256` alone.
    #[error("digests by {algorithm} are not supported here; use sha256")]
    Algorithm {
        /// The algorithm named.
        algorithm: String,
    },
}

/// Parses `sha256:` and 64 lower-case hexadecimal digits.
///
/// # Errors
/// [`DigestError::Algorithm`] for other registered algorithms (`sha512`), [`DigestError::Malformed`] for the rest.
pub fn parse_digest(text: &str) -> Result<Digest, DigestError> {
    let malformed = || DigestError::Malformed { text: text.chars().take(100).collect() };
    let (algorithm, encoded) = text.split_once(':').ok_or_else(malformed)?;
    match algorithm {
        "sha256" if encoded.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) => {
            Digest::parse(encoded).map_err(|_| malformed())
        }
        "sha384" | "sha512" | "blake3" => Err(DigestError::Algorithm { algorithm: algorithm.to_owned() }),
        _ => Err(malformed()),
    }
}

/// `sha256:` and the digits.
#[must_use]
pub fn digest_text(digest: Digest) -> String {
    format!("sha256:{digest}")
}

/// The digest of some bytes.
#[must_use]
pub fn digest_of(bytes: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(bytes).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_lower_case_sha256() {
        let digits = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(parse_digest(&format!("sha256:{digits}")), Ok(digest_of(b"")));
        assert_eq!(digest_text(digest_of(b"")), format!("sha256:{digits}"));
        for text in
            ["", "sha256", "sha256:", "sha256:abc", digits, &format!("sha256:{}", digits.to_uppercase())]
        {
            assert!(matches!(parse_digest(text), Err(DigestError::Malformed { .. })), "{text}");
        }
        let error = parse_digest(&format!("sha512:{digits}{digits}"));
        assert_eq!(error, Err(DigestError::Algorithm { algorithm: "sha512".to_owned() }));
    }
}
