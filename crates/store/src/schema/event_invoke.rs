//! The stored form of asynchronous invocation settings. Version 1; `golden/event-invoke-config-v1.json` is an example.
//!
//! Knows no rule: what was written was checked, and what is read is only well formed. A configuration is filed under its
//! function and the qualifier that it belongs to.

use model::arn::FunctionId;
use model::event_invoke::EventInvokeConfig;
use model::name::Qualifier;
use model::time::Timestamp;
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
    /// `$LATEST`, a number or an alias.
    qualifier: String,
    retries_max: Option<u32>,
    event_age_max_s: Option<u32>,
    on_success: Option<String>,
    on_failure: Option<String>,
    last_modified_ms: i64,
}

impl Stored for EventInvokeConfig {
    type Owner = FunctionId;
    const KIND: &'static str = "event-invoke-config";

    fn owner(&self) -> FunctionId {
        self.function.clone()
    }

    fn name(&self) -> String {
        self.qualifier.to_string()
    }

    fn encode(&self, _: &Sealer) -> Vec<u8> {
        let form = Form {
            v: VERSION,
            of: (&self.function).into(),
            qualifier: self.qualifier.to_string(),
            retries_max: self.retries_max,
            event_age_max_s: self.event_age_max_s,
            on_success: self.on_success.clone(),
            on_failure: self.on_failure.clone(),
            last_modified_ms: self.last_modified.as_millis(),
        };
        serde_json::to_vec(&form).unwrap_or_default()
    }

    fn decode(bytes: &[u8], _: &Sealer) -> Result<Self, SchemaError> {
        let form: Form = versioned(VERSION, bytes)?;
        let qualifier = Qualifier::parse(&form.qualifier);
        Ok(Self {
            function: function_of(&form.of)?,
            qualifier: qualifier.map_err(|_| SchemaError::IllegalValue { field: "qualifier" })?,
            retries_max: form.retries_max,
            event_age_max_s: form.event_age_max_s,
            on_success: form.on_success,
            on_failure: form.on_failure,
            last_modified: Timestamp::from_millis(form.last_modified_ms),
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
        let value = EventInvokeConfig {
            function: sample_function(),
            qualifier: Qualifier::Alias("live".to_owned()),
            retries_max: Some(1),
            event_age_max_s: None,
            on_success: None,
            on_failure: Some("arn:aws:sqs:eu-central-1:123456789012:failed".to_owned()),
            last_modified: Timestamp::from_millis(1_764_000_000_123),
        };
        check_golden(&value, include_str!("../../golden/event-invoke-config-v1.json"));
    }
}
