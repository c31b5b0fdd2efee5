//! JSON into the model's types, in one pass over the bytes: no document tree is built, so a hostile body cannot
//! cost many times its size. Unknown members are skipped and `null` means absent, as AWS has it.
//!
//! Invariants: nesting is bounded by serde_json's recursion limit, lists and maps by [`ELEMENTS_MAX`]. A value of
//! the wrong JSON type is refused with the words that AWS uses in its `SerializationException`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use model::time::Timestamp;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Most elements that one list or map may have, whatever the model allows. The largest that AWS documents for
/// these APIs is far below; this bounds memory before constraints are checked.
pub const ELEMENTS_MAX: usize = 20_000;

/// A request that is not in the form of its operation: `SerializationException`, status 400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub String);

/// A JSON number as it was written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Numeral {
    /// Without fraction or exponent, in the range of `i64`.
    Whole(i64),
    /// Any other.
    Real(f64),
}

const LIST_UNEXPECTED: &str = "Start of list found where not expected";
const OBJECT_UNEXPECTED: &str = "Start of structure or map found where not expected";

/// A type that can be read from one JSON value. Each method refuses unless the type takes that form.
pub trait FromJson: Sized {
    /// The type with its article, as it ends the sentence "… can not be converted to …". `None` where no scalar
    /// will do.
    const SCALAR: Option<&'static str> = None;

    /// From a JSON string.
    fn from_text(_: &str) -> Result<Self, Malformed> {
        Err(unconvertible::<Self>("STRING_VALUE"))
    }
    /// From a JSON number.
    fn from_number(_: Numeral) -> Result<Self, Malformed> {
        Err(unconvertible::<Self>("NUMBER_VALUE"))
    }
    /// From `true` or `false`.
    fn from_bool(value: bool) -> Result<Self, Malformed> {
        Err(unconvertible::<Self>(if value { "TRUE_VALUE" } else { "FALSE_VALUE" }))
    }
    /// From a JSON array.
    fn from_list<'de, A: SeqAccess<'de>>(_: A) -> Result<Self, A::Error> {
        Err(A::Error::custom(LIST_UNEXPECTED))
    }
    /// From a JSON object.
    fn from_object<'de, A: MapAccess<'de>>(_: A) -> Result<Self, A::Error> {
        Err(A::Error::custom(OBJECT_UNEXPECTED))
    }
}

fn unconvertible<T: FromJson>(found: &str) -> Malformed {
    Malformed(match T::SCALAR {
        Some(scalar) => format!("{found} can not be converted to {scalar}"),
        None => "Expected null".to_owned(),
    })
}

/// A structure of the model: its members one by one.
pub trait Structure: Default {
    /// Takes the value of the member `name` from `values`, or skips it.
    fn read_member<'de, A: MapAccess<'de>>(&mut self, name: &str, values: &mut A) -> Result<(), A::Error>;
    /// Writes the members that are set.
    fn write_members(&self, out: &mut super::Object<'_>);
}

impl<S: Structure> FromJson for S {
    fn from_object<'de, A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        let mut structure = Self::default();
        while let Some(name) = map.next_key_seed(Name)? {
            structure.read_member(&name, &mut map)?;
        }
        Ok(structure)
    }
}

impl FromJson for String {
    const SCALAR: Option<&'static str> = Some("a String");
    fn from_text(text: &str) -> Result<Self, Malformed> {
        Ok(text.to_owned())
    }
}

impl FromJson for bool {
    const SCALAR: Option<&'static str> = Some("a Boolean");
    fn from_bool(value: bool) -> Result<Self, Malformed> {
        Ok(value)
    }
}

impl FromJson for i32 {
    const SCALAR: Option<&'static str> = Some("an Integer");
    fn from_number(number: Numeral) -> Result<Self, Malformed> {
        let refuse = || unconvertible::<Self>("NUMBER_VALUE");
        match number {
            Numeral::Whole(whole) => whole.try_into().map_err(|_| refuse()),
            Numeral::Real(_) => Err(refuse()),
        }
    }
}

impl FromJson for i64 {
    const SCALAR: Option<&'static str> = Some("a Long");
    fn from_number(number: Numeral) -> Result<Self, Malformed> {
        match number {
            Numeral::Whole(whole) => Ok(whole),
            Numeral::Real(_) => Err(unconvertible::<Self>("NUMBER_VALUE")),
        }
    }
}

impl FromJson for f64 {
    const SCALAR: Option<&'static str> = Some("a Double");
    fn from_number(number: Numeral) -> Result<Self, Malformed> {
        Ok(match number {
            #[expect(clippy::cast_precision_loss, reason = "a double is what the model asks for")]
            Numeral::Whole(whole) => whole as f64,
            Numeral::Real(real) => real,
        })
    }
}

impl FromJson for Timestamp {
    const SCALAR: Option<&'static str> = Some("milliseconds since epoch");
    fn from_number(number: Numeral) -> Result<Self, Malformed> {
        let seconds = f64::from_number(number)?;
        // 1e11 seconds lie some three thousand years ahead; beyond them the product could leave i64.
        if seconds.abs() > 1e11 {
            return Err(unconvertible::<Self>("NUMBER_VALUE"));
        }
        #[expect(
            clippy::cast_possible_truncation,
            reason = "bounded above; parts of a millisecond are dropped"
        )]
        let millis = (seconds * 1000.0).round() as i64;
        Ok(Timestamp::from_millis(millis))
    }
}

/// Blobs are Base64 in JSON.
impl FromJson for Bytes {
    const SCALAR: Option<&'static str> = Some("a Blob");
    fn from_text(text: &str) -> Result<Self, Malformed> {
        match STANDARD.decode(text) {
            Ok(bytes) => Ok(bytes.into()),
            Err(fault) => Err(Malformed(format!("STRING_VALUE can not be decoded as Base64: {fault}"))),
        }
    }
}

impl<T: FromJson> FromJson for Vec<T> {
    fn from_list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = list.next_element_seed(Seed::<T>(PhantomData))? {
            if elements.len() == ELEMENTS_MAX {
                return Err(A::Error::custom(format_args!("a list has more than {ELEMENTS_MAX} elements")));
            }
            elements.push(element.ok_or_else(|| A::Error::custom("a list element is null"))?);
        }
        Ok(elements)
    }
}

impl<T: FromJson> FromJson for BTreeMap<String, T> {
    fn from_object<'de, A: MapAccess<'de>>(mut map: A) -> Result<Self, A::Error> {
        let mut entries = BTreeMap::new();
        while let Some(key) = map.next_key_seed(Name)? {
            if entries.len() == ELEMENTS_MAX {
                return Err(A::Error::custom(format_args!("a map has more than {ELEMENTS_MAX} entries")));
            }
            let key = key.into_owned();
            let value: Option<T> = next(&mut map)?;
            entries.insert(key, value.ok_or_else(|| A::Error::custom("a map value is null"))?);
        }
        Ok(entries)
    }
}

/// The value of the member whose name was just read; `None` for `null`.
pub fn next<'de, T: FromJson, A: MapAccess<'de>>(values: &mut A) -> Result<Option<T>, A::Error> {
    values.next_value_seed(Seed(PhantomData))
}

/// Passes over the value of a member that the model does not know.
pub fn skip<'de, A: MapAccess<'de>>(values: &mut A) -> Result<(), A::Error> {
    values.next_value::<IgnoredAny>().map(|_| ())
}

/// Reads a whole document. `null` gives the default, as AWS takes it.
pub fn from_json<T: FromJson + Default>(text: &[u8]) -> Result<T, Malformed> {
    // Texts that are passed over are not looked into, so all of it is checked first.
    let text = std::str::from_utf8(text)
        .map_err(|error| Malformed(format!("Could not parse request body into json: {error}")))?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Seed(PhantomData).deserialize(&mut reader);
    value
        .and_then(|value| reader.end().map(|()| value.unwrap_or_default()))
        .map_err(|fault| malformed(&fault))
}

/// Data errors are already in AWS's words, behind which serde_json puts a position; the position of a syntax
/// error is what helps its reader.
fn malformed(fault: &serde_json::Error) -> Malformed {
    let text = fault.to_string();
    Malformed(match text.rsplit_once(" at line ") {
        Some((message, _)) if fault.is_data() => message.to_owned(),
        _ => format!("Could not parse request body into json: {text}"),
    })
}

/// A member's name, borrowed from the body where it holds no escape.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }
    fn visit_borrowed_str<E: Error>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }
    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

/// One value of type `T`, or `null`.
struct Seed<T>(PhantomData<T>);

impl<'de, T: FromJson> DeserializeSeed<'de> for Seed<T> {
    type Value = Option<T>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: FromJson> Visitor<'de> for Seed<T> {
    type Value = Option<T>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        T::from_bool(value).map(Some).map_err(E::custom)
    }
    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        T::from_number(Numeral::Whole(value)).map(Some).map_err(E::custom)
    }
    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        #[expect(clippy::cast_precision_loss, reason = "beyond i64 no whole number is asked for")]
        let number = i64::try_from(value).map_or(Numeral::Real(value as f64), Numeral::Whole);
        T::from_number(number).map(Some).map_err(E::custom)
    }
    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        T::from_number(Numeral::Real(value)).map(Some).map_err(E::custom)
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        T::from_text(text).map(Some).map_err(E::custom)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        T::from_list(list).map(Some)
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::from_object(map).map(Some)
    }
}
