//! Who may sign a function's code, and what happens to code that nobody of them has signed.
//!
//! Source: Lambda API reference, `CreateCodeSigningConfig`.

use std::collections::BTreeMap;
use std::fmt;

use crate::arn::{FunctionId, Scope};
use crate::time::Timestamp;

/// A configuration's name: `csc-` and 17 letters and digits, within its scope. Shown as its ARN.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CodeSigningId {
    /// Where it lies.
    pub scope: Scope,
    /// `csc-…`.
    pub id: String,
}

impl CodeSigningId {
    /// Characters behind `csc-`.
    pub const RANDOM_CHARS: usize = 17;

    /// The configuration that an ARN names; none if it names something else. Account and region are compared by whoever
    /// knows which are meant.
    #[must_use]
    pub fn parse(arn: &str, scope: &Scope) -> Option<Self> {
        let prefix = format!("arn:aws:lambda:{}:{}:code-signing-config:", scope.region, scope.account);
        let id = arn.strip_prefix(&prefix)?;
        Some(Self { scope: scope.clone(), id: id.to_owned() })
    }
}

impl fmt::Display for CodeSigningId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scope: Scope { account, region }, id } = self;
        write!(f, "arn:aws:lambda:{region}:{account}:code-signing-config:{id}")
    }
}

/// A code signing configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeSigningConfig {
    /// Its name.
    pub id: CodeSigningId,
    /// Free text.
    pub description: String,
    /// ARNs of the signing profile versions whose signatures count.
    pub publishers: Vec<String>,
    /// What happens to other code.
    pub policy: CodeSigningPolicy,
    /// When it last changed.
    pub last_modified: Timestamp,
    /// The owner's labels.
    pub tags: BTreeMap<String, String>,
}

/// `UntrustedArtifactOnDeployment`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CodeSigningPolicy {
    /// It is deployed, and the log says so.
    #[default]
    Warn,
    /// It is not deployed.
    Enforce,
}

/// Which configuration a function has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionCodeSigning {
    /// The function, with all its versions.
    pub function: FunctionId,
    /// The configuration.
    pub config: CodeSigningId,
}
