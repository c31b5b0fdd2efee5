//! What is known of a request, by condition key. Keys are the same in capitals or not, and one may have several values.
//!
//! Source: IAM User Guide, "AWS global condition context keys".

/// See the module's description.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context(Vec<(String, Vec<String>)>);

impl Context {
    /// Nothing known.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Sets the one value of a key.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.set_all(key, vec![value.into()]);
    }

    /// Sets the value of a key if there is one.
    pub fn set_some(&mut self, key: &str, value: Option<impl Into<String>>) {
        if let Some(value) = value {
            self.set(key, value);
        }
    }

    /// Sets all values of a key.
    pub fn set_all(&mut self, key: impl Into<String>, values: Vec<String>) {
        let key = key.into();
        match self.0.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(&key)) {
            Some((_, known)) => *known = values,
            None => self.0.push((key, values)),
        }
    }

    /// Sets what the tags of a request say: those that it gives to what it makes or marks.
    pub fn set_request_tags(
        &mut self,
        tags: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>,
    ) {
        let mut keys = Vec::new();
        for (key, value) in tags {
            let key = key.into();
            self.set(format!("aws:RequestTag/{key}"), value);
            keys.push(key);
        }
        self.set_tag_keys(keys);
    }

    /// Sets the keys of the tags that a request names.
    pub fn set_tag_keys(&mut self, keys: Vec<String>) {
        if !keys.is_empty() {
            self.set_all("aws:TagKeys", keys);
        }
    }

    /// Sets the tags that the resource has.
    pub fn set_resource_tags<'t>(&mut self, tags: impl IntoIterator<Item = (&'t String, &'t String)>) {
        for (key, value) in tags {
            self.set(format!("aws:ResourceTag/{key}"), value.as_str());
        }
    }

    /// Adds what is known elsewhere; it goes before what is known here.
    pub fn extend(&mut self, other: &Self) {
        for (key, values) in &other.0 {
            self.set_all(key.as_str(), values.clone());
        }
    }

    /// The values of a key, if it is known.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&[String]> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(key)).map(|(_, values)| values.as_slice())
    }

    /// The value of a key that has one.
    #[must_use]
    pub fn single(&self, key: &str) -> Option<&str> {
        match self.get(key) {
            Some([one]) => Some(one),
            _ => None,
        }
    }
}
