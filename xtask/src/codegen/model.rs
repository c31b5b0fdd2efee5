//! botocore's public API model as data: operations and shapes, in the order in which the model lists them.
//!
//! Prose is dropped while reading, so that none of it can reach the generated code. A trait of the model that
//! is not known here is ignored on reading; the emitters refuse shapes that they cannot express.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::BufReader;
use std::marker::PhantomData;
use std::path::Path;

use anyhow::Context;
use flate2::bufread::GzDecoder;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

/// A whole service.
#[derive(Debug, Deserialize)]
pub(super) struct Model {
    pub(super) metadata: Metadata,
    pub(super) operations: BTreeMap<String, Operation>,
    pub(super) shapes: BTreeMap<String, Shape>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata {
    pub(super) api_version: String,
    pub(super) protocol: Protocol,
    pub(super) service_full_name: String,
    /// What the JSON protocols put before an operation's name in the target header.
    pub(super) target_prefix: Option<String>,
    /// The namespace of XML answers.
    pub(super) xml_namespace: Option<String>,
    /// The version of the JSON protocol.
    pub(super) json_version: Option<String>,
    /// Whether a service of the JSON protocol tells its errors in the words of the query protocol as well.
    pub(super) aws_query_compatible: Option<serde::de::IgnoredAny>,
}

/// How operations travel; a protocol that the generator does not know is refused on reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Protocol {
    /// Methods and paths, with members in every part of a request.
    RestJson,
    /// One path, an operation named by a header, all members in the body.
    Json,
    /// One path, an operation named by a parameter beside all members; XML in answer.
    Query,
}

#[derive(Debug, Deserialize)]
pub(super) struct Operation {
    pub(super) http: Http,
    pub(super) input: Option<Reference>,
    pub(super) output: Option<Reference>,
    /// What the operation itself may answer instead.
    #[serde(default)]
    pub(super) errors: Vec<Reference>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Http {
    pub(super) method: String,
    pub(super) request_uri: String,
    #[serde(default = "ok")]
    pub(super) response_code: u16,
}

fn ok() -> u16 {
    200
}

#[derive(Debug, Deserialize)]
pub(super) struct Reference {
    pub(super) shape: String,
    #[serde(rename = "locationName")]
    pub(super) location_name: Option<String>,
}

/// A member of a structure.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Member {
    pub(super) shape: String,
    pub(super) location: Option<Location>,
    pub(super) location_name: Option<String>,
    /// The member of an event that is the event's payload as it stands.
    #[serde(default)]
    pub(super) eventpayload: bool,
}

/// Where a member travels when not in the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Location {
    Uri,
    #[serde(rename = "querystring")]
    Query,
    Header,
    StatusCode,
}

/// The type of a shape; the ones that no supported protocol uses are refused on reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Structure,
    List,
    Map,
    String,
    Blob,
    Boolean,
    Integer,
    Long,
    Double,
    Float,
    Timestamp,
}

/// A type of the model with its constraints.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shape {
    #[serde(rename = "type")]
    pub(super) kind: Kind,
    #[serde(default)]
    pub(super) members: Ordered<Member>,
    #[serde(default)]
    pub(super) required: Vec<String>,
    /// Element of a list.
    pub(super) member: Option<Reference>,
    pub(super) key: Option<Reference>,
    pub(super) value: Option<Reference>,
    #[serde(rename = "enum", default)]
    pub(super) values: Vec<String>,
    pub(super) min: Option<f64>,
    pub(super) max: Option<f64>,
    pub(super) pattern: Option<String>,
    #[serde(default)]
    pub(super) sensitive: bool,
    /// A list without an element around its members.
    #[serde(default)]
    pub(super) flattened: bool,
    /// A sum of events, which travel one by one.
    #[serde(default)]
    pub(super) eventstream: bool,
    /// An error, whether or not the model gives its status.
    #[serde(default)]
    pub(super) exception: bool,
    /// An error that is the service's fault.
    #[serde(default)]
    pub(super) fault: bool,
    /// The member that is the body as it stands.
    pub(super) payload: Option<String>,
    pub(super) error: Option<ErrorTrait>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ErrorTrait {
    /// The code, where it is not the shape's name.
    pub(super) code: Option<String>,
    pub(super) http_status_code: u16,
    #[serde(default)]
    pub(super) sender_fault: bool,
}

/// A JSON object that keeps its order: violations are reported in the order of the model's members.
#[derive(Debug)]
pub(super) struct Ordered<T>(pub(super) Vec<(String, T)>);

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Ordered<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Ordered<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Ordered(entries))
            }
        }
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

impl Model {
    /// Reads `<botocore>/data/<service>/<api version>/service-2.json.gz`.
    pub(super) fn load(botocore: &Path, service: &str, api_version: &str) -> anyhow::Result<Model> {
        let path = botocore.join("data").join(service).join(api_version).join("service-2.json.gz");
        let file = File::open(&path).with_context(|| format!("open the API model {}", path.display()))?;
        let text = GzDecoder::new(BufReader::new(file));
        let model: Model = serde_json::from_reader(text)
            .with_context(|| format!("read the API model {}", path.display()))?;
        Ok(model.in_camel_case())
    }

    /// The same with every shape's name as Rust would have a type's.
    fn in_camel_case(mut self) -> Model {
        let present: BTreeSet<String> = self.shapes.keys().cloned().collect();
        let named = |name: &str| {
            let mut chars = name.chars();
            let first = chars.next().into_iter().flat_map(char::to_uppercase);
            let capital: String = first.chain(chars).collect();
            // Some models call the text of an error like the error.
            if capital != name && present.contains(&capital) { format!("{capital}Text") } else { capital }
        };
        let shapes = std::mem::take(&mut self.shapes).into_iter().map(|(name, mut shape)| {
            let parts = [&mut shape.member, &mut shape.key, &mut shape.value].into_iter().flatten();
            parts.for_each(|part| part.shape = named(&part.shape));
            shape.members.0.iter_mut().for_each(|(_, member)| member.shape = named(&member.shape));
            (named(&name), shape)
        });
        self.shapes = shapes.collect();
        for operation in self.operations.values_mut() {
            let parts = [&mut operation.input, &mut operation.output].into_iter().flatten();
            parts.for_each(|part| part.shape = named(&part.shape));
        }
        self
    }

    /// The shape of a name. The model is closed, so a missing shape is a broken file.
    pub(super) fn shape(&self, name: &str) -> anyhow::Result<&Shape> {
        self.shapes.get(name).with_context(|| format!("the model has no shape {name}"))
    }
}

impl Shape {
    /// The members that become fields: all but a stream of events, which is sent after the rest.
    pub(super) fn fields(&self, model: &Model) -> anyhow::Result<Vec<&(String, Member)>> {
        let mut fields = Vec::new();
        for entry in &self.members.0 {
            if !model.shape(&entry.1.shape)?.eventstream {
                fields.push(entry);
            }
        }
        Ok(fields)
    }

    /// An open set of known strings.
    pub(super) fn is_enum(&self) -> bool {
        self.kind == Kind::String && !self.values.is_empty()
    }
}
