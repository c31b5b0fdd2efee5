//! The stored forms of code signing configurations and of which function has which. Version 1 of each;
//! `golden/code-signing-v1.json` and `golden/function-code-signing-v1.json` are examples.
//!
//! A function and its configuration lie in one scope, so the latter is named by its id alone.

use std::collections::BTreeMap;

use model::arn::{FunctionId, Scope};
use model::code_signing::{CodeSigningConfig, CodeSigningId, CodeSigningPolicy, FunctionCodeSigning};
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::owner::{OfFunction, OfScope, function_of, scope_of};
use super::{SchemaError, versioned};
use crate::records::typed::Stored;
use crate::seal::Sealer;

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigForm {
    v: u32,
    of: OfScope,
    id: String,
    description: String,
    publishers: Vec<String>,
    policy: Policy,
    last_modified_ms: i64,
    tags: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Policy {
    Warn,
    Enforce,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FunctionForm {
    v: u32,
    of: OfFunction,
    config: String,
}

impl Stored for CodeSigningConfig {
    type Owner = Scope;
    const KIND: &'static str = "code-signing";

    fn owner(&self) -> Scope {
        self.id.scope.clone()
    }

    fn name(&self) -> String {
        self.id.id.clone()
    }

    fn encode(&self, _: &Sealer) -> Vec<u8> {
        let form = ConfigForm {
            v: VERSION,
            of: (&self.id.scope).into(),
            id: self.id.id.clone(),
            description: self.description.clone(),
            publishers: self.publishers.clone(),
            policy: match self.policy {
                CodeSigningPolicy::Warn => Policy::Warn,
                CodeSigningPolicy::Enforce => Policy::Enforce,
            },
            last_modified_ms: self.last_modified.as_millis(),
            tags: self.tags.clone(),
        };
        serde_json::to_vec(&form).unwrap_or_default()
    }

    fn decode(bytes: &[u8], _: &Sealer) -> Result<Self, SchemaError> {
        let form: ConfigForm = versioned(VERSION, bytes)?;
        Ok(Self {
            id: CodeSigningId { scope: scope_of(&form.of)?, id: form.id },
            description: form.description,
            publishers: form.publishers,
            policy: match form.policy {
                Policy::Warn => CodeSigningPolicy::Warn,
                Policy::Enforce => CodeSigningPolicy::Enforce,
            },
            last_modified: Timestamp::from_millis(form.last_modified_ms),
            tags: form.tags,
        })
    }
}

impl Stored for FunctionCodeSigning {
    type Owner = FunctionId;
    const KIND: &'static str = "function-code-signing";

    fn owner(&self) -> FunctionId {
        self.function.clone()
    }

    fn name(&self) -> String {
        String::new()
    }

    fn encode(&self, _: &Sealer) -> Vec<u8> {
        let form = FunctionForm { v: VERSION, of: (&self.function).into(), config: self.config.id.clone() };
        serde_json::to_vec(&form).unwrap_or_default()
    }

    fn decode(bytes: &[u8], _: &Sealer) -> Result<Self, SchemaError> {
        let form: FunctionForm = versioned(VERSION, bytes)?;
        let function = function_of(&form.of)?;
        let config = CodeSigningId { scope: function.scope.clone(), id: form.config };
        Ok(Self { function, config })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::check_golden;
    use crate::schema::owner::{sample_function, sample_scope};

    #[test]
    fn version_1_is_written_to_the_byte_and_stays_readable() {
        let id = CodeSigningId { scope: sample_scope(), id: "csc-0123456789abcdefg".to_owned() };
        let value = CodeSigningConfig {
            id: id.clone(),
            description: "ours".to_owned(),
            publishers: vec!["arn:aws:signer:eu-central-1:123456789012:/signing-profiles/p/1".to_owned()],
            policy: CodeSigningPolicy::Enforce,
            last_modified: Timestamp::from_millis(1_764_000_000_123),
            tags: BTreeMap::from([("team".to_owned(), "images".to_owned())]),
        };
        check_golden(&value, include_str!("../../golden/code-signing-v1.json"));
        let value = FunctionCodeSigning { function: sample_function(), config: id };
        check_golden(&value, include_str!("../../golden/function-code-signing-v1.json"));
    }
}
