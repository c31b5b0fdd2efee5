//! Temporary credentials that nobody has to store: the session token says whose they are and until when, sealed
//! with a key that only the server has, and the signing secret is derived from the token.
//!
//! Form of a token, in URL-safe Base64: version (1 byte), expiry (8 bytes, big-endian milliseconds since the
//! epoch), account, role ARN and function name (each a 2-byte length and UTF-8), HMAC-SHA-256 (32 bytes) over
//! the access key id and all that precedes. A token without its access key id is worth nothing, and neither
//! shows the secret.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use model::function::Function;
use model::id::AccountId;
use model::limits;
use model::port::RoleCredentials;
use model::time::Timestamp;
use sha2::Sha256;

/// Random bytes in an access key id: sixteen characters of Base32.
pub const KEY_ID_RANDOM_BYTES: usize = 10;

const VERSION: u8 = 1;
const SEAL_BYTES: usize = 32;
/// Longer tokens are not ours: the longest role ARN and function name fit several times.
const TOKEN_CHARS_MAX: usize = 2_048;
/// Keep the two uses of the one key apart.
const SEAL_LABEL: &[u8] = b"dormouse session token\0";
const SECRET_LABEL: &[u8] = b"dormouse signing secret\0";

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The function's account, in which its requests act.
    pub account: AccountId,
    /// The execution role.
    pub role_arn: String,
    /// The function, which is the session's name as at AWS.
    pub function: String,
    /// When the credentials stop working.
    pub expires: Timestamp,
}

/// Why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenError {
    /// Not made here, not for this key id, or changed.
    Forged,
    /// Too old.
    Expired,
}

impl Claims {
    /// The claims of a function's execution role from `now` on.
    pub fn of(function: &Function, now: Timestamp) -> Self {
        Self {
            account: function.id.scope.account,
            role_arn: function.settings.role.clone(),
            function: function.id.name.to_string(),
            expires: now.after(limits::ROLE_CREDENTIALS_VALID),
        }
    }

    /// `arn:aws:sts::ACCOUNT:assumed-role/ROLE/FUNCTION`, with the role's own account and without its path.
    pub fn assumed_role_arn(&self) -> String {
        let account = self.role_arn.split(':').nth(4).unwrap_or_default();
        let role = self.role_arn.rsplit('/').next().unwrap_or_default();
        format!("arn:aws:sts::{account}:assumed-role/{role}/{}", self.function)
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend(self.expires.as_millis().to_be_bytes());
        for text in [self.account.as_str(), &self.role_arn, &self.function] {
            // Lengths are bounded by the API model, far below 64 KB; a longer text would only fail to verify.
            bytes.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
            bytes.extend(text.as_bytes());
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (&version, rest) = bytes.split_first()?;
        let (expires, mut rest) = rest.split_first_chunk::<8>()?;
        if version != VERSION {
            return None;
        }
        let mut text = || {
            let (length, after) = rest.split_first_chunk::<2>()?;
            let (text, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
            rest = after;
            String::from_utf8(text.to_vec()).ok()
        };
        let (account, role_arn, function) = (text()?, text()?, text()?);
        Some(Self {
            account: AccountId::parse(&account).ok()?,
            role_arn,
            function,
            expires: Timestamp::from_millis(i64::from_be_bytes(*expires)),
        })
    }
}

/// The key that seals tokens and derives secrets.
pub struct TokenKey(Hmac<Sha256>);

impl TokenKey {
    /// Takes the server's secret.
    pub fn new(secret: &[u8]) -> Self {
        // HMAC takes keys of every length; the type only says so for all of its kin.
        Self(Hmac::new_from_slice(secret).unwrap_or_else(|_| Hmac::new(&Default::default())))
    }

    /// Makes credentials for these claims.
    pub fn mint(&self, claims: &Claims, random: [u8; KEY_ID_RANDOM_BYTES]) -> RoleCredentials {
        let access_key_id = format!("ASIA{}", base32(random));
        let mut token = claims.encode();
        let seal = self.seal(&access_key_id, &token).finalize().into_bytes();
        token.extend(seal);
        RoleCredentials {
            secret_access_key: self.secret(&access_key_id, &token),
            session_token: URL_SAFE_NO_PAD.encode(&token),
            access_key_id,
        }
    }

    /// The claims of a token that was made here for this key id, and the secret that goes with it.
    pub fn open(
        &self,
        access_key_id: &str,
        token: &str,
        now: Timestamp,
    ) -> Result<(Claims, String), TokenError> {
        if token.len() > TOKEN_CHARS_MAX {
            return Err(TokenError::Forged);
        }
        let token = URL_SAFE_NO_PAD.decode(token).map_err(|_| TokenError::Forged)?;
        let (body, seal) = token.split_last_chunk::<SEAL_BYTES>().ok_or(TokenError::Forged)?;
        // Compared in constant time.
        self.seal(access_key_id, body).verify_slice(seal).map_err(|_| TokenError::Forged)?;
        let claims = Claims::decode(body).ok_or(TokenError::Forged)?;
        if claims.expires <= now {
            return Err(TokenError::Expired);
        }
        let secret = self.secret(access_key_id, &token);
        Ok((claims, secret))
    }

    fn seal(&self, access_key_id: &str, body: &[u8]) -> Hmac<Sha256> {
        self.labelled(SEAL_LABEL, access_key_id, body)
    }

    fn secret(&self, access_key_id: &str, token: &[u8]) -> String {
        STANDARD.encode(self.labelled(SECRET_LABEL, access_key_id, token).finalize().into_bytes())
    }

    fn labelled(&self, label: &[u8], access_key_id: &str, bytes: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(label);
        mac.update(access_key_id.as_bytes());
        mac.update(b"\0");
        mac.update(bytes);
        mac
    }
}

/// RFC 4648 Base32 of ten bytes, as AWS writes the random part of key ids.
fn base32(bytes: [u8; KEY_ID_RANDOM_BYTES]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bits = bytes.iter().fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte));
    let digit =
        |index: u32| char::from(ALPHABET[usize::try_from(bits >> (75 - 5 * index) & 31).unwrap_or(0)]);
    (0..16).map(digit).collect()
}
