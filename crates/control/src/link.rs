//! Addresses under which a package can be fetched for a while by whoever holds them, as `Code.Location` promises.
//!
//! A link is the package's digest with an expiry and an HMAC-SHA-256 over both; nothing is stored, and a link
//! survives a restart of the server. It grants one package and nothing else.

use hmac::{Hmac, Mac};
use model::id::Digest;
use model::limits;
use model::port::Entropy;
use model::time::Timestamp;
use sha2::Sha256;
use store::secrets::{SecretError, Secrets};

/// Name of the secret that signs links.
const SECRET_NAME: &str = "code-links";
/// Keeps this use of the key apart from any later one.
const LABEL: &[u8] = b"dormouse code link 1\0";

/// Makes and checks links.
pub struct CodeLinks(Hmac<Sha256>);

/// The changeable part of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeLink {
    /// When it stops working.
    pub expires: Timestamp,
    /// Proof that it was made here, in hexadecimal.
    pub signature: String,
}

/// Why a link does not work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Not made here, or changed.
    #[error("this link was not made by this server")]
    Forged,
    /// Too old.
    #[error("this link has expired; GetFunction gives a new one")]
    Expired,
}

impl CodeLinks {
    /// Takes the secret that signs links, making it at first start.
    ///
    /// # Errors
    /// [`SecretError`] when it can neither be read nor made.
    pub fn open(secrets: &Secrets, entropy: &dyn Entropy) -> Result<Self, SecretError> {
        let make = || {
            let mut random = vec![0; 32];
            entropy.fill(&mut random);
            random
        };
        Ok(Self::new(secrets.get_or_create(SECRET_NAME, make)?.expose()))
    }

    fn new(secret: &[u8]) -> Self {
        // HMAC takes keys of every length; the type only says so for all of its kin.
        Self(Hmac::new_from_slice(secret).unwrap_or_else(|_| Hmac::new(&Default::default())))
    }

    /// A link to a package that works for [`limits::CODE_LOCATION_VALID`].
    #[must_use]
    pub fn make(&self, digest: Digest, now: Timestamp) -> CodeLink {
        let expires = now.after(limits::CODE_LOCATION_VALID);
        let signature = Digest::from_bytes(self.mac(digest, expires).finalize().into_bytes().into());
        CodeLink { expires, signature: signature.to_string() }
    }

    /// Checks a link that somebody presents.
    ///
    /// # Errors
    /// [`LinkError`].
    pub fn check(&self, digest: Digest, link: &CodeLink, now: Timestamp) -> Result<(), LinkError> {
        let signature = Digest::parse(&link.signature).map_err(|_| LinkError::Forged)?;
        // Compared in constant time.
        let verified = self.mac(digest, link.expires).verify_slice(signature.as_bytes());
        verified.map_err(|_| LinkError::Forged)?;
        if link.expires <= now { Err(LinkError::Expired) } else { Ok(()) }
    }

    fn mac(&self, digest: Digest, expires: Timestamp) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(LABEL);
        mac.update(digest.as_bytes());
        mac.update(&expires.as_millis().to_be_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_link_grants_one_package_for_a_while() {
        let links = CodeLinks::new(&[1; 32]);
        let (package, other) = (Digest::from_bytes([1; 32]), Digest::from_bytes([2; 32]));
        let now = Timestamp::from_millis(1_000);
        let link = links.make(package, now);
        assert_eq!(links.check(package, &link, now), Ok(()));
        assert_eq!(links.check(other, &link, now), Err(LinkError::Forged));
        let longer = CodeLink { expires: link.expires.after(Duration::from_secs(1)), ..link.clone() };
        assert_eq!(links.check(package, &longer, now), Err(LinkError::Forged));
        let nonsense = CodeLink { signature: "x".to_owned(), ..link.clone() };
        assert_eq!(links.check(package, &nonsense, now), Err(LinkError::Forged));
        assert_eq!(links.check(package, &link, link.expires), Err(LinkError::Expired));
        assert_eq!(CodeLinks::new(&[2; 32]).check(package, &link, now), Err(LinkError::Forged));
    }
}
