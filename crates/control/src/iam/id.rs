//! Ids, key ids and secrets in AWS's form, from randomness; and the names and paths that owners choose.
//!
//! Pure but for the randomness that it is given. Whether a name is taken is not known here.

use model::port::Entropy;

use super::IamError;
use super::kept::Kept;

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The last `count` digits of a number in Base32, 25 at the most.
pub(crate) fn base32(bits: u128, count: u32) -> String {
    let digit = |index: u32| {
        let shift = 5 * (count - 1 - index);
        char::from(ALPHABET[usize::try_from(bits >> shift & 31).unwrap_or(0)])
    };
    (0..count.min(25)).map(digit).collect()
}

/// `AIDA…`: 21 characters.
pub(super) fn unique(prefix: &str, entropy: &dyn Entropy) -> String {
    format!("{prefix}{}", base32(random(entropy), 17))
}

/// `AKIA…`: 20 characters.
pub(super) fn access_key(entropy: &dyn Entropy) -> String {
    format!("AKIA{}", base32(random(entropy), 16))
}

/// The secret half of a key: 40 characters.
pub(super) fn secret(entropy: &dyn Entropy) -> String {
    use base64::Engine;
    let mut bytes = [0; 30];
    entropy.fill(&mut bytes);
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn random(entropy: &dyn Entropy) -> u128 {
    let mut bytes = [0; 16];
    entropy.fill(&mut bytes);
    u128::from_be_bytes(bytes)
}

/// A name that something of this kind may have.
pub(super) fn check_name<T: Kept>(name: &str) -> Result<(), IamError> {
    let words = T::WORDS;
    check_word(name, &format!("{}Name", words.noun), words.name_chars_max)
}

/// A name of letters, digits and some signs.
pub(super) fn check_word(name: &str, member: &str, chars_max: usize) -> Result<(), IamError> {
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
    if name.is_empty() || name.len() > chars_max {
        return Err(IamError::Validation(format!(
            "The specified value for {member} is invalid. It must be 1 to {chars_max} characters long"
        )));
    }
    if !name.bytes().all(is_legal) {
        return Err(IamError::Validation(format!(
            "The specified value for {member} is invalid. It must contain only alphanumeric characters and/or the \
             following: +=,.@_-"
        )));
    }
    Ok(())
}

/// A path: `/`, or words between slashes.
pub(super) fn check_path(path: &str) -> Result<(), IamError> {
    let is_whole = path.starts_with('/') && path.ends_with('/') && path.len() <= 512;
    if is_whole && path.bytes().all(|byte| (0x21..0x7f).contains(&byte)) {
        return Ok(());
    }
    Err(IamError::Validation(
        "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric \
         characters and/or / characters."
            .to_owned(),
    ))
}
