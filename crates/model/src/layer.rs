//! Layers: zips that functions share, published in numbered versions that never change.
//!
//! Names and ids are parsed here and nowhere else. A published number is never given out again, even after its
//! version was deleted; functions pin the content that they took, so that deletion does not reach them.
//!
//! Source: Lambda API reference, `PublishLayerVersion`, and Developer Guide, "Managing Lambda dependencies with
//! layers".

use std::fmt;

use crate::arn::Scope;
use crate::function::{Architecture, Zip};
use crate::id::{AccountId, IdError, Region};
use crate::runtime::RuntimeName;
use crate::time::Timestamp;

/// Name of a layer within its scope: 1 to 140 letters, digits, hyphens and underscores.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LayerName(String);

impl LayerName {
    /// Longest name.
    pub const LENGTH_MAX: usize = 140;

    /// Parses a name.
    ///
    /// # Errors
    /// When it is empty, too long or holds other characters.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if text.is_empty() || text.len() > Self::LENGTH_MAX || !text.bytes().all(legal) {
            return Err(refuse(text, "a layer name"));
        }
        Ok(Self(text.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LayerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A layer, whatever its versions. Displayed as its ARN.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LayerId {
    /// Where the name is unique.
    pub scope: Scope,
    /// The layer's name.
    pub name: LayerName,
}

impl fmt::Display for LayerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Scope { account, region } = &self.scope;
        write!(f, "arn:aws:lambda:{region}:{account}:layer:{}", self.name)
    }
}

/// One version of a layer. Displayed as its ARN, `arn:aws:lambda:REGION:ACCOUNT:layer:NAME:NUMBER`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LayerVersionId {
    /// The layer.
    pub layer: LayerId,
    /// Counted from 1.
    pub number: u64,
}

impl LayerVersionId {
    /// Parses the ARN of a layer version.
    ///
    /// # Errors
    /// When it is anything else; a number of 0 is an error too.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let refused = || refuse(text, "the ARN of a layer version");
        let (layer, number) = text.rsplit_once(':').ok_or_else(refused)?;
        let reference = LayerReference::parse(layer)?;
        let (Some(scope), true) = (reference.scope, number.bytes().all(|b| b.is_ascii_digit())) else {
            return Err(refused());
        };
        // One spelling for each: what is decided about an ARN holds for the layer.
        match number.parse() {
            Ok(parsed) if !number.starts_with('0') => {
                Ok(Self { layer: LayerId { scope, name: reference.name }, number: parsed })
            }
            _ => Err(refused()),
        }
    }
}

impl fmt::Display for LayerVersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.layer, self.number)
    }
}

/// A layer as a caller wrote it: by name alone, or by its ARN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerReference {
    /// Account and region of an ARN; the caller's own where there is none.
    pub scope: Option<Scope>,
    /// The layer.
    pub name: LayerName,
}

impl LayerReference {
    /// Parses a name or an ARN without version.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let parts: Vec<&str> = text.split(':').collect();
        match parts.as_slice() {
            ["arn", "aws", "lambda", region, account, "layer", name] => {
                let scope = Scope { account: AccountId::parse(account)?, region: Region::parse(region)? };
                Ok(Self { scope: Some(scope), name: LayerName::parse(name)? })
            }
            [name] => Ok(Self { scope: None, name: LayerName::parse(name)? }),
            _ => Err(refuse(text, "a layer name or ARN")),
        }
    }
}

/// A published version of a layer, whole. It never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerVersion {
    /// Which it is.
    pub id: LayerVersionId,
    /// Its content.
    pub zip: Zip,
    /// Free text of up to 256 characters.
    pub description: String,
    /// Licence text, identifier or address, up to 512 characters.
    pub license: Option<String>,
    /// Runtimes that it is meant for. Told to callers and used as a filter; no function is held to it.
    pub runtimes: Vec<RuntimeName>,
    /// Instruction sets that it is meant for, likewise.
    pub architectures: Vec<Architecture>,
    /// When it was published.
    pub created: Timestamp,
}

fn refuse(text: &str, expected: &'static str) -> IdError {
    IdError { text: text.chars().take(80).collect(), expected }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:lambda:eu-west-1:123456789012:layer:tools";

    #[test]
    fn a_version_is_its_arn() {
        let check = |text: &str| {
            assert_eq!(LayerVersionId::parse(text).expect("a legal ARN").to_string(), text);
        };
        check(&format!("{ARN}:1"));
        check(&format!("{ARN}:18446744073709551615"));
        let id = LayerVersionId::parse(&format!("{ARN}:7")).expect("a legal ARN");
        assert_eq!((id.layer.name.as_str(), id.number, id.layer.to_string()), ("tools", 7, ARN.to_owned()));
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for text in [
            "",
            "tools",
            "tools:1",
            ARN,
            &format!("{ARN}:"),
            &format!("{ARN}:0"),
            &format!("{ARN}:+1"),
            &format!("{ARN}:x"),
            &format!("{ARN}:18446744073709551616"),
            &format!("{ARN}:1:2"),
            "arn:aws:lambda:eu-west-1:123456789012:function:tools:1",
            "arn:aws:lambda:eu-west-1:12:layer:tools:1",
            "arn:aws:s3:eu-west-1:123456789012:layer:tools:1",
        ] {
            assert!(LayerVersionId::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_layer_is_named_or_given_by_arn() {
        let named = LayerReference::parse("tools").expect("a name");
        assert_eq!((named.scope, named.name.as_str()), (None, "tools"));
        let given = LayerReference::parse(ARN).expect("an ARN");
        assert_eq!(given.scope.map(|scope| scope.region.to_string()).as_deref(), Some("eu-west-1"));
        for text in ["", "a b", "../x", "a:b", &format!("{ARN}:1"), &"a".repeat(141)] {
            assert!(LayerReference::parse(text).is_err(), "{text}");
        }
    }
}
