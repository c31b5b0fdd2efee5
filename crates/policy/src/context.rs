//! What is known of a request, by condition key. Keys are the same in capitals or not, and one may have several values.
//!
//! Tags may differ in capitals alone: each is kept by itself, and a condition on such a key is asked of every one of
//! them, so that nobody hides a tag behind another one.
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
        self.0.retain(|(known, _)| !known.eq_ignore_ascii_case(&key));
        self.0.push((key, values));
    }

    /// Adds tags as `OF/KEY`, each by itself.
    pub fn add_tags(
        &mut self,
        of: &str,
        tags: impl IntoIterator<Item = (impl AsRef<str>, impl Into<String>)>,
    ) {
        let tags = tags.into_iter();
        self.0.extend(tags.map(|(key, value)| (format!("{of}/{}", key.as_ref()), vec![value.into()])));
    }

    /// Sets what the tags of a request say: those that it gives to what it makes or marks.
    pub fn set_request_tags(
        &mut self,
        tags: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>,
    ) {
        let tags: Vec<(String, String)> =
            tags.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        self.set_tag_keys(tags.iter().map(|(key, _)| key.clone()).collect());
        self.add_tags("aws:RequestTag", tags);
    }

    /// Sets the keys of the tags that a request names.
    pub fn set_tag_keys(&mut self, keys: Vec<String>) {
        if !keys.is_empty() {
            self.set_all("aws:TagKeys", keys);
        }
    }

    /// Sets the tags that the resource has.
    pub fn set_resource_tags<'t>(&mut self, tags: impl IntoIterator<Item = (&'t String, &'t String)>) {
        self.add_tags("aws:ResourceTag", tags);
    }

    /// Adds what is known elsewhere; it goes before what is known here.
    pub fn extend(&mut self, other: &Self) {
        self.0.retain(|(known, _)| !other.knows(known));
        self.0.extend_from_slice(&other.0);
    }

    /// The values of a key: of each way in which it is written.
    pub fn each(&self, key: &str) -> impl Iterator<Item = &[String]> {
        let written = self.0.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(key));
        written.map(|(_, values)| values.as_slice())
    }

    /// How much is known: the bytes of all keys and values.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let size =
            |(key, values): &(String, Vec<String>)| key.len() + values.iter().map(String::len).sum::<usize>();
        self.0.iter().map(size).sum()
    }

    /// Whether anything is known of a key.
    #[must_use]
    pub fn knows(&self, key: &str) -> bool {
        self.each(key).next().is_some()
    }

    /// The value of a key that has one.
    #[must_use]
    pub fn single(&self, key: &str) -> Option<&str> {
        let mut each = self.each(key);
        match (each.next(), each.next()) {
            (Some([one]), None) => Some(one),
            _ => None,
        }
    }
}
