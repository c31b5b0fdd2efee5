//! The stored forms of resource policies, of functions and of layer versions. Version 1 of both;
//! `golden/function-policy-v1.json` and `golden/layer-policy-v1.json` are examples. A policy is kept as the text that
//! it is.

use model::arn::{FunctionId, Scope};
use model::id::RevisionId;
use model::layer::LayerVersionId;
use model::resource_policy::{FunctionPolicy, LayerPolicy};
use serde::{Deserialize, Serialize};

use super::owner::{OfFunction, function_of};
use super::{SchemaError, versioned};
use crate::records::typed::Stored;
use crate::seal::Sealer;

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfOneFunction {
    v: u32,
    of: OfFunction,
    qualifier: String,
    text: String,
    revision: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfOneLayer {
    v: u32,
    layer: String,
    text: String,
    revision: String,
}

impl Stored for FunctionPolicy {
    type Owner = FunctionId;
    const KIND: &'static str = "function-policy";

    fn owner(&self) -> FunctionId {
        self.function.clone()
    }

    fn name(&self) -> String {
        self.qualifier.clone()
    }

    fn encode(&self, _: &Sealer) -> Vec<u8> {
        let form = OfOneFunction {
            v: VERSION,
            of: (&self.function).into(),
            qualifier: self.qualifier.clone(),
            text: self.text.clone(),
            revision: self.revision.to_string(),
        };
        serde_json::to_vec(&form).unwrap_or_default()
    }

    fn decode(bytes: &[u8], _: &Sealer) -> Result<Self, SchemaError> {
        let form: OfOneFunction = versioned(VERSION, bytes)?;
        let (function, revision) = (function_of(&form.of)?, revision(&form.revision)?);
        Ok(Self { function, qualifier: form.qualifier, text: form.text, revision })
    }
}

impl Stored for LayerPolicy {
    type Owner = Scope;
    const KIND: &'static str = "layer-policy";

    fn owner(&self) -> Scope {
        self.layer.layer.scope.clone()
    }

    fn name(&self) -> String {
        format!("{}:{}", self.layer.layer.name, self.layer.number)
    }

    fn encode(&self, _: &Sealer) -> Vec<u8> {
        let form = OfOneLayer {
            v: VERSION,
            layer: self.layer.to_string(),
            text: self.text.clone(),
            revision: self.revision.to_string(),
        };
        serde_json::to_vec(&form).unwrap_or_default()
    }

    fn decode(bytes: &[u8], _: &Sealer) -> Result<Self, SchemaError> {
        let form: OfOneLayer = versioned(VERSION, bytes)?;
        let layer = LayerVersionId::parse(&form.layer);
        let layer = layer.map_err(|_| SchemaError::IllegalValue { field: "layer" })?;
        Ok(Self { layer, text: form.text, revision: revision(&form.revision)? })
    }
}

fn revision(text: &str) -> Result<RevisionId, SchemaError> {
    RevisionId::parse(text).map_err(|_| SchemaError::IllegalValue { field: "revision" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::check_golden;
    use crate::schema::owner::sample_function;

    const TEXT: &str = r#"{"Version":"2012-10-17","Statement":[]}"#;

    fn sample_revision() -> RevisionId {
        RevisionId::parse("a4b2c3d4-0000-4000-8000-000000000000").unwrap()
    }

    #[test]
    fn version_1_of_functions_is_written_to_the_byte_and_stays_readable() {
        let value = FunctionPolicy {
            function: sample_function(),
            qualifier: "prod".to_owned(),
            text: TEXT.to_owned(),
            revision: sample_revision(),
        };
        check_golden(&value, include_str!("../../golden/function-policy-v1.json"));
    }

    #[test]
    fn version_1_of_layers_is_written_to_the_byte_and_stays_readable() {
        let layer = LayerVersionId::parse("arn:aws:lambda:eu-central-1:123456789012:layer:tools:3");
        let value = LayerPolicy { layer: layer.unwrap(), text: TEXT.to_owned(), revision: sample_revision() };
        check_golden(&value, include_str!("../../golden/layer-policy-v1.json"));
    }
}
