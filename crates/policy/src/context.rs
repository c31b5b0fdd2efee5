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
