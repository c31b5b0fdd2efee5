//! The stored form of aliases. Version 1; `golden/alias-v1.json` is an example.
//!
//! Knows no rule of aliases: what was written was checked, and what is read is only well formed.

use model::alias::{Alias, Weighted};
use model::arn::FunctionId;
use model::id::RevisionId;
use serde::{Deserialize, Serialize};

use super::function::parse_version;
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
    name: String,
    /// `$LATEST` or a number.
    version: String,
    additional: Option<Additional>,
    description: String,
    revision: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Additional {
    version: String,
    weight: f64,
}

impl Stored for Alias {
    type Owner = FunctionId;
    const KIND: &'static str = "alias";

    fn owner(&self) -> FunctionId {
        self.function.clone()
    }

    fn name(&self) -> String {
        self.name.clone()
    }

    fn encode(&self, _: &Sealer) -> Vec<u8> {
        let additional = |Weighted { version, weight }| Additional { version: version.to_string(), weight };
        let form = Form {
            v: VERSION,
            of: (&self.function).into(),
            name: self.name.clone(),
            version: self.version.to_string(),
            additional: self.additional.map(additional),
            description: self.description.clone(),
            revision: self.revision.to_string(),
        };
        serde_json::to_vec(&form).unwrap_or_default()
    }

    fn decode(bytes: &[u8], _: &Sealer) -> Result<Self, SchemaError> {
        let form: Form = versioned(VERSION, bytes)?;
        let version = |text: &str, field| parse_version(text).ok_or(SchemaError::IllegalValue { field });
        let additional = |Additional { version: text, weight }: Additional| {
            Ok(Weighted { version: version(&text, "additional.version")?, weight })
        };
        let revision = RevisionId::parse(&form.revision);
        Ok(Self {
            function: function_of(&form.of)?,
            version: version(&form.version, "version")?,
            additional: form.additional.map(additional).transpose()?,
            revision: revision.map_err(|_| SchemaError::IllegalValue { field: "revision" })?,
            name: form.name,
            description: form.description,
        })
    }
}

#[cfg(test)]
mod tests {
    use model::name::Version;

    use super::*;
    use crate::schema::check_golden;
    use crate::schema::owner::sample_function;

    #[test]
    fn version_1_is_written_to_the_byte_and_stays_readable() {
        let value = Alias {
            function: sample_function(),
            name: "live".to_owned(),
            version: Version::Published(7),
            additional: Some(Weighted { version: Version::Published(8), weight: 0.05 }),
            description: "what callers see".to_owned(),
            revision: RevisionId::from_random([3; 16]),
        };
        check_golden(&value, include_str!("../../golden/alias-v1.json"));
    }
}
