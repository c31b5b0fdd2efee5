//! The stored forms of reserved and provisioned concurrency, version 1 of each; `golden/reserved-concurrency-v1.json` and
//! `golden/provisioned-concurrency-v1.json` are examples.
//!
//! Whether the account can spare it is not known here: what was accepted once is read back as it was.

use model::arn::FunctionId;
use model::concurrency::{ProvisionedConcurrency, ReservedConcurrency};
use model::name::Qualifier;
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::owner::{OfFunction, function_of};
use super::{SchemaError, versioned};
use crate::records::typed::Stored;
use crate::seal::Sealer;

const VERSION: u32 = 1;
const PROVISIONED_VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    v: u32,
    of: OfFunction,
    executions: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProvisionedForm {
    v: u32,
    of: OfFunction,
    /// A version's number or an alias.
    qualifier: String,
    executions: u32,
    modified_ms: i64,
}

impl Stored for ReservedConcurrency {
    type Owner = FunctionId;
    const KIND: &'static str = "reserved-concurrency";

    fn owner(&self) -> FunctionId {
        self.function.clone()
    }

    fn name(&self) -> String {
        String::new()
    }

    fn encode(&self, _: &Sealer) -> Vec<u8> {
        let form = Form { v: VERSION, of: (&self.function).into(), executions: self.executions };
        serde_json::to_vec(&form).unwrap_or_default()
    }

    fn decode(bytes: &[u8], _: &Sealer) -> Result<Self, SchemaError> {
        let form: Form = versioned(VERSION, bytes)?;
        Ok(Self { function: function_of(&form.of)?, executions: form.executions })
    }
}

impl Stored for ProvisionedConcurrency {
    type Owner = FunctionId;
    const KIND: &'static str = "provisioned-concurrency";

    fn owner(&self) -> FunctionId {
        self.function.clone()
    }

    fn name(&self) -> String {
        self.qualifier.to_string()
    }

    fn encode(&self, _: &Sealer) -> Vec<u8> {
        let form = ProvisionedForm {
            v: PROVISIONED_VERSION,
            of: (&self.function).into(),
            qualifier: self.qualifier.to_string(),
            executions: self.executions,
            modified_ms: self.modified.as_millis(),
        };
        serde_json::to_vec(&form).unwrap_or_default()
    }

    fn decode(bytes: &[u8], _: &Sealer) -> Result<Self, SchemaError> {
        let form: ProvisionedForm = versioned(PROVISIONED_VERSION, bytes)?;
        let illegal = |_| SchemaError::IllegalValue { field: "qualifier" };
        Ok(Self {
            function: function_of(&form.of)?,
            qualifier: Qualifier::parse(&form.qualifier).map_err(illegal)?,
            executions: form.executions,
            modified: Timestamp::from_millis(form.modified_ms),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::check_golden;
    use crate::schema::owner::sample_function;

    #[test]
    fn version_1_is_written_to_the_byte_and_stays_readable() {
        let value = ReservedConcurrency { function: sample_function(), executions: 7 };
        check_golden(&value, include_str!("../../golden/reserved-concurrency-v1.json"));
        let value = ProvisionedConcurrency {
            function: sample_function(),
            qualifier: Qualifier::Alias("live".to_owned()),
            executions: 3,
            modified: Timestamp::from_millis(1_764_000_000_123),
        };
        check_golden(&value, include_str!("../../golden/provisioned-concurrency-v1.json"));
    }
}
