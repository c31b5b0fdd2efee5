//! Temporary credentials that nobody has to store: the session token says whose they are and until when, sealed
//! with a key that only the server has, and the signing secret is derived from the token.
//!
//! Form of a token, in URL-safe Base64: version (1 byte), expiry and beginning (8 bytes each, big-endian milliseconds
//! since the epoch), texts (each a 2-byte length and UTF-8), HMAC-SHA-256 (32 bytes) over the access key id and all that
//! precedes. The texts: what kind of session, account, and of a function its ARN, the role's ARN and the role's unique
//! id, empty where none was taken on; of a user its unique id; of a role its unique id and the session's name,
//! source identity, policy, number of managed policies, these, and tags as key and value. A token without its access key
//! id is worth nothing, and neither shows the secret.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use model::function::Function;
use model::id::AccountId;
use model::limits;
use model::port::RoleCredentials;
use model::time::Timestamp;
use sha2::Sha256;

use crate::iam::id::base32;
use crate::iam::standing::SessionOf;

/// Random bytes in an access key id: sixteen characters of Base32.
pub const KEY_ID_RANDOM_BYTES: usize = 10;

const VERSION: u8 = 3;
const SEAL_BYTES: usize = 32;
/// Longer tokens are not ours: a session's policies and tags fit, see `iam::sts`.
const TOKEN_CHARS_MAX: usize = 8_192;
/// Keep the two uses of the one key apart.
const SEAL_LABEL: &[u8] = b"dormouse session token\0";
const SECRET_LABEL: &[u8] = b"dormouse signing secret\0";

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The account in which its requests act.
    pub account: AccountId,
    /// Whose it is.
    pub bearer: Bearer,
    /// Since when they work.
    pub issued: Timestamp,
    /// When the credentials stop working.
    pub expires: Timestamp,
}

/// The function that has credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionBearer {
    /// Its ARN, without a qualifier.
    pub arn: String,
    /// Its execution role, whether it is there or not.
    pub role_arn: String,
    /// The unique id of the role that was taken on, if one was: another one of the same name is not meant.
    pub role_id: Option<String>,
}

impl FunctionBearer {
    /// The function's name, which is the session's as at AWS.
    pub fn name(&self) -> &str {
        self.arn.rsplit(':').next().unwrap_or_default()
    }
}

/// Whose temporary credentials are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bearer {
    /// A function's.
    Function(FunctionBearer),
    /// The account owner's.
    Root,
    /// A user's, by its unique id.
    User(String),
    /// Those of somebody who took on a role.
    Role {
        /// The role's unique id.
        id: String,
        /// What was asked for.
        session: Box<SessionOf>,
    },
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
    pub fn of(function: &Function, role_id: Option<String>, now: Timestamp) -> Self {
        Self {
            account: function.id.scope.account,
            bearer: Bearer::Function(FunctionBearer {
                arn: function.id.arn().to_string(),
                role_arn: function.settings.role.clone(),
                role_id,
            }),
            issued: now,
            expires: now.after(limits::ROLE_CREDENTIALS_VALID),
        }
    }

    pub fn encode(&self) -> Vec<u8> {
        let account = self.account.as_str();
        match &self.bearer {
            Bearer::Function(FunctionBearer { arn, role_arn, role_id }) => {
                self.write(&["function", account, arn, role_arn, role_id.as_deref().unwrap_or_default()])
            }
            Bearer::Root => self.write(&["root", account]),
            Bearer::User(id) => self.write(&["user", account, id]),
            Bearer::Role { id, session } => {
                let source = session.source_identity.as_deref().unwrap_or_default();
                let policy = session.policy.as_deref().unwrap_or_default();
                let count = session.policy_arns.len().to_string();
                let mut texts = vec!["role", account, id, &session.name, source, policy, &count];
                texts.extend(session.policy_arns.iter().map(String::as_str));
                texts.extend(session.tags.iter().flat_map(|(key, value)| [key.as_str(), value.as_str()]));
                self.write(&texts)
            }
        }
    }

    fn write(&self, texts: &[&str]) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend(self.expires.as_millis().to_be_bytes());
        bytes.extend(self.issued.as_millis().to_be_bytes());
        for text in texts {
            // Lengths are bounded by the API model, far below 64 KB; a longer text would only fail to verify.
            bytes.extend(u16::try_from(text.len()).unwrap_or(u16::MAX).to_be_bytes());
            bytes.extend(text.as_bytes());
        }
        bytes
    }

    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let rest = bytes.strip_prefix(&[VERSION])?;
        let (expires, rest) = rest.split_first_chunk::<8>()?;
        let (issued, mut rest) = rest.split_first_chunk::<8>()?;
        let mut texts = std::iter::from_fn(|| {
            let (length, after) = rest.split_first_chunk::<2>()?;
            let (text, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
            rest = after;
            String::from_utf8(text.to_vec()).ok()
        });
        let kind = texts.next()?;
        let account = AccountId::parse(&texts.next()?).ok()?;
        let bearer = match kind.as_str() {
            "function" => {
                let (arn, role_arn) = (texts.next()?, texts.next()?);
                let role_id = Some(texts.next()?).filter(|id| !id.is_empty());
                Bearer::Function(FunctionBearer { arn, role_arn, role_id })
            }
            "root" => Bearer::Root,
            "user" => Bearer::User(texts.next()?),
            "role" => {
                let id = texts.next()?;
                Bearer::Role { id, session: Box::new(session(&mut texts)?) }
            }
            _ => return None,
        };
        let time = |bytes: &[u8; 8]| Timestamp::from_millis(i64::from_be_bytes(*bytes));
        Some(Self { account, bearer, issued: time(issued), expires: time(expires) })
    }
}

/// What a role's session was asked for, from the rest of a token.
fn session(texts: &mut impl Iterator<Item = String>) -> Option<SessionOf> {
    let name = texts.next()?;
    let mut optional = || texts.next().map(|text| (!text.is_empty()).then_some(text));
    let (source_identity, policy) = (optional()?, optional()?);
    let count: usize = texts.next()?.parse().ok()?;
    let policy_arns: Vec<String> = texts.by_ref().take(count).collect();
    if policy_arns.len() != count {
        return None;
    }
    let mut tags = std::collections::BTreeMap::new();
    while let Some(key) = texts.next() {
        tags.insert(key, texts.next()?);
    }
    Some(SessionOf { name, policy, policy_arns, tags, source_identity })
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
        let bits = random.iter().fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte));
        let access_key_id = format!("ASIA{}", base32(bits, 16));
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
