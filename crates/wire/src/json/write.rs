//! The model's types into JSON.
//!
//! Members that are not set are left out, which every AWS client reads as null. Writing goes to memory and cannot
//! fail; what is written, `read` reads back as the same value.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use model::time::Timestamp;

use super::Structure;

/// A type that can be written as one JSON value.
pub trait ToJson {
    /// Appends the value.
    fn write(&self, out: &mut Vec<u8>);
}

/// An object under construction: members are separated as they come.
pub struct Object<'a> {
    out: &'a mut Vec<u8>,
    empty: bool,
}

impl Object<'_> {
    /// Appends a member if it is set. `name` needs no escape: it comes from the model.
    pub fn member<T: ToJson>(&mut self, name: &'static str, value: Option<&T>) {
        if let Some(value) = value {
            self.entry(name, value);
        }
    }

    fn entry<T: ToJson>(&mut self, name: &str, value: &T) {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
        write_text(name, self.out);
        self.out.push(b':');
        value.write(self.out);
    }
}

fn write_object(out: &mut Vec<u8>, members: impl FnOnce(&mut Object<'_>)) {
    out.push(b'{');
    members(&mut Object { out, empty: true });
    out.push(b'}');
}

/// Writing a scalar to memory cannot fail: no map keys, no I/O.
pub(crate) fn write_text(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("text to memory");
}

impl<S: Structure> ToJson for S {
    fn write(&self, out: &mut Vec<u8>) {
        write_object(out, |object| self.write_members(object));
    }
}

impl ToJson for String {
    fn write(&self, out: &mut Vec<u8>) {
        write_text(self, out);
    }
}

impl ToJson for bool {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(if *self { b"true" } else { b"false" });
    }
}

impl ToJson for i32 {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.to_string().as_bytes());
    }
}

impl ToJson for i64 {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.to_string().as_bytes());
    }
}

/// Not a number and the infinities have no JSON form and become `null`.
impl ToJson for f64 {
    fn write(&self, out: &mut Vec<u8>) {
        serde_json::to_writer(out, self).expect("a number to memory");
    }
}

/// Seconds since the epoch with three decimals.
impl ToJson for Timestamp {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(crate::time::epoch_seconds(*self).as_bytes());
    }
}

impl ToJson for Bytes {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'"');
        let start = out.len();
        out.resize(start + self.len().div_ceil(3) * 4, 0);
        STANDARD.encode_slice(self, &mut out[start..]).expect("room for four bytes per three");
        out.push(b'"');
    }
}

impl<T: ToJson> ToJson for Vec<T> {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(b'[');
        for (i, element) in self.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            element.write(out);
        }
        out.push(b']');
    }
}

impl<T: ToJson> ToJson for BTreeMap<String, T> {
    fn write(&self, out: &mut Vec<u8>) {
        write_object(out, |object| self.iter().for_each(|(key, value)| object.entry(key, value)));
    }
}

/// The whole value as a document.
#[must_use]
pub fn to_json<T: ToJson>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    value.write(&mut out);
    out
}
