//! The stored forms of runtime management and recursion. Version 1 of each; `golden/runtime-management-v1.json` and
//! `golden/recursion-v1.json` are examples.
//!
//! A runtime version's ARN stands beside the mode that needs it, and is absent with all others.

use model::arn::FunctionId;
use model::management::{Recursion, RuntimeManagement, RuntimeUpdates};
use serde::{Deserialize, Serialize};

use super::owner::{OfFunction, function_of};
use super::{SchemaError, versioned};
use crate::records::typed::Stored;
use crate::seal::Sealer;

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ManagementForm {
    v: u32,
    of: OfFunction,
    qualifier: String,
    updates: Updates,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Updates {
    Auto,
    FunctionUpdate,
    Manual(String),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecursionForm {
    v: u32,
    of: OfFunction,
    allowed: bool,
}

impl Stored for RuntimeManagement {
    type Owner = FunctionId;
    const KIND: &'static str = "runtime-management";

    fn owner(&self) -> FunctionId {
        self.function.clone()
    }

    fn name(&self) -> String {
        self.qualifier.clone()
    }

    fn encode(&self, _: &Sealer) -> Vec<u8> {
        let updates = match &self.updates {
            RuntimeUpdates::Auto => Updates::Auto,
            RuntimeUpdates::FunctionUpdate => Updates::FunctionUpdate,
            RuntimeUpdates::Manual(arn) => Updates::Manual(arn.clone()),
        };
        let (of, qualifier) = ((&self.function).into(), self.qualifier.clone());
        serde_json::to_vec(&ManagementForm { v: VERSION, of, qualifier, updates }).unwrap_or_default()
    }

    fn decode(bytes: &[u8], _: &Sealer) -> Result<Self, SchemaError> {
        let form: ManagementForm = versioned(VERSION, bytes)?;
        let updates = match form.updates {
            Updates::Auto => RuntimeUpdates::Auto,
            Updates::FunctionUpdate => RuntimeUpdates::FunctionUpdate,
            Updates::Manual(arn) => RuntimeUpdates::Manual(arn),
        };
        Ok(Self { function: function_of(&form.of)?, qualifier: form.qualifier, updates })
    }
}

impl Stored for Recursion {
    type Owner = FunctionId;
    const KIND: &'static str = "recursion";

    fn owner(&self) -> FunctionId {
        self.function.clone()
    }

    fn name(&self) -> String {
        String::new()
    }

    fn encode(&self, _: &Sealer) -> Vec<u8> {
        let form = RecursionForm { v: VERSION, of: (&self.function).into(), allowed: self.is_allowed };
        serde_json::to_vec(&form).unwrap_or_default()
    }

    fn decode(bytes: &[u8], _: &Sealer) -> Result<Self, SchemaError> {
        let form: RecursionForm = versioned(VERSION, bytes)?;
        Ok(Self { function: function_of(&form.of)?, is_allowed: form.allowed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::check_golden;
    use crate::schema::owner::sample_function;

    #[test]
    fn version_1_is_written_to_the_byte_and_stays_readable() {
        let arn = "arn:aws:lambda:eu-central-1::runtime:0a".to_owned();
        let (function, qualifier, updates) = (sample_function(), "7".to_owned(), RuntimeUpdates::Manual(arn));
        let value = RuntimeManagement { function, qualifier, updates };
        check_golden(&value, include_str!("../../golden/runtime-management-v1.json"));
        let value = Recursion { function: sample_function(), is_allowed: true };
        check_golden(&value, include_str!("../../golden/recursion-v1.json"));
    }
}
