//! The stored form of the last version number. Version 1; `golden/last-version-v1.json` is an example.
//!
//! There is such a record only where the version itself is gone; versions are stored as functions are.

use model::arn::FunctionId;
use model::version::LastVersion;
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
    number: u64,
}

impl Stored for LastVersion {
    type Owner = FunctionId;
    const KIND: &'static str = "last-version";

    fn owner(&self) -> FunctionId {
        self.function.clone()
    }

    fn name(&self) -> String {
        String::new()
    }

    fn encode(&self, _: &Sealer) -> Vec<u8> {
        let form = Form { v: VERSION, of: (&self.function).into(), number: self.number };
        serde_json::to_vec(&form).unwrap_or_default()
    }

    fn decode(bytes: &[u8], _: &Sealer) -> Result<Self, SchemaError> {
        let form: Form = versioned(VERSION, bytes)?;
        Ok(Self { function: function_of(&form.of)?, number: form.number })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::check_golden;
    use crate::schema::owner::sample_function;

    #[test]
    fn version_1_is_written_to_the_byte_and_stays_readable() {
        let value = LastVersion { function: sample_function(), number: 12 };
        check_golden(&value, include_str!("../../golden/last-version-v1.json"));
    }
}
