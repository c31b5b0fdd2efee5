//! The stored form of function URLs. Version 1; `golden/function-url-v1.json` is an example.
//!
//! Knows no rule: what was written was checked, and what is read is only well formed. A URL is filed under its function and
//! the qualifier that it belongs to.

use model::arn::FunctionId;
use model::name::Qualifier;
use model::time::Timestamp;
use model::url as domain;
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
    /// `$LATEST` or an alias.
    qualifier: String,
    id: String,
    auth: Auth,
    cors: Option<Cors>,
    streams: bool,
    created_ms: i64,
    modified_ms: i64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Auth {
    Iam,
    None,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cors {
    allow_credentials: Option<bool>,
    allow_headers: Vec<String>,
    allow_methods: Vec<String>,
    allow_origins: Vec<String>,
    expose_headers: Vec<String>,
    max_age_s: Option<u32>,
}

impl Stored for domain::FunctionUrl {
    type Owner = FunctionId;
    const KIND: &'static str = "function-url";

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
            id: self.id.to_string(),
            auth: match self.auth {
                domain::UrlAuth::Iam => Auth::Iam,
                domain::UrlAuth::None => Auth::None,
            },
            cors: self.cors.clone().map(Into::into),
            streams: self.streams,
            created_ms: self.created.as_millis(),
            modified_ms: self.modified.as_millis(),
        };
        serde_json::to_vec(&form).unwrap_or_default()
    }

    fn decode(bytes: &[u8], _: &Sealer) -> Result<Self, SchemaError> {
        let form: Form = versioned(VERSION, bytes)?;
        let illegal = |field| move |_| SchemaError::IllegalValue { field };
        Ok(Self {
            function: function_of(&form.of)?,
            qualifier: Qualifier::parse(&form.qualifier).map_err(illegal("qualifier"))?,
            id: domain::UrlId::parse(&form.id).map_err(illegal("id"))?,
            auth: match form.auth {
                Auth::Iam => domain::UrlAuth::Iam,
                Auth::None => domain::UrlAuth::None,
            },
            cors: form.cors.map(Into::into),
            streams: form.streams,
            created: Timestamp::from_millis(form.created_ms),
            modified: Timestamp::from_millis(form.modified_ms),
        })
    }
}

impl From<domain::Cors> for Cors {
    fn from(cors: domain::Cors) -> Self {
        Self {
            allow_credentials: cors.allow_credentials,
            allow_headers: cors.allow_headers,
            allow_methods: cors.allow_methods,
            allow_origins: cors.allow_origins,
            expose_headers: cors.expose_headers,
            max_age_s: cors.max_age_s,
        }
    }
}

impl From<Cors> for domain::Cors {
    fn from(cors: Cors) -> Self {
        Self {
            allow_credentials: cors.allow_credentials,
            allow_headers: cors.allow_headers,
            allow_methods: cors.allow_methods,
            allow_origins: cors.allow_origins,
            expose_headers: cors.expose_headers,
            max_age_s: cors.max_age_s,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::check_golden;
    use crate::schema::owner::sample_function;

    #[test]
    fn version_1_is_written_to_the_byte_and_stays_readable() {
        let value = domain::FunctionUrl {
            function: sample_function(),
            qualifier: Qualifier::Alias("live".to_owned()),
            id: domain::UrlId::parse("abcdefghijklmnopqrstuvwxyz012345").unwrap(),
            auth: domain::UrlAuth::None,
            cors: Some(domain::Cors {
                allow_credentials: Some(true),
                allow_methods: vec!["GET".to_owned()],
                allow_origins: vec!["https://a.example".to_owned(), "*".to_owned()],
                max_age_s: Some(60),
                ..domain::Cors::default()
            }),
            streams: true,
            created: Timestamp::from_millis(1_764_000_000_123),
            modified: Timestamp::from_millis(1_764_000_000_456),
        };
        check_golden(&value, include_str!("../../golden/function-url-v1.json"));
    }
}
