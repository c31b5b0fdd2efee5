//! The stored form of reserved concurrency. Version 1; `golden/reserved-concurrency-v1.json` is an example.
//!
//! Whether the account can spare it is not known here: what was accepted once is read back as it was.

use model::arn::FunctionId;
use model::concurrency::ReservedConcurrency;
use serde::{Deserialize, Serialize};

use super::owner::{OfFunction, function_of};
use super::{SchemaError, versioned};
use crate::records::typed::Stored;
use crate::seal::Sealer;

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    v: u32,
    of: OfFunction,
    executions: u32,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::check_golden;
    use crate::schema::owner::sample_function;

    #[test]
    fn version_1_is_written_to_the_byte_and_stays_readable() {
        let value = ReservedConcurrency { function: sample_function(), executions: 7 };
        check_golden(&value, include_str!("../../golden/reserved-concurrency-v1.json"));
    }
}
