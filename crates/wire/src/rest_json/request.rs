//! A request between HTTP and an operation's input, in both directions: the server reads the parts into the
//! input's members, a client writes them.
//!
//! Members are bound to the path, the query, a header, the JSON body or the raw body, as the model says; a member
//! bound elsewhere is never taken from the body.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use model::time::Timestamp;

use super::{ClientRequest, Http, Labels, Output};
use crate::check::{Check, Refused, Violations};
use crate::json::{FromJson, Malformed, Numeral, OpenEnum, ToJson, to_json};
use crate::{message, percent};

/// What a server received for one operation.
#[derive(Debug)]
pub struct Request<'a> {
    /// The labels of the matched path.
    pub labels: Labels<'a>,
    /// The raw query, without `?`.
    pub query: &'a str,
    /// All headers.
    pub headers: &'a HeaderMap,
    /// The whole body.
    pub body: &'a Bytes,
}

/// An operation's input.
pub trait Call: Check + Sized {
    /// What the operation answers.
    type Output: Output;
    /// How it is called.
    const HTTP: &'static Http;

    /// Reads the members; says nothing of constraints.
    fn read(request: &Request<'_>) -> Result<Self, Malformed>;
    /// Writes the members for a client.
    fn to_request(&self) -> ClientRequest;

    /// Reads and checks: what a server does with a request.
    fn accept(request: &Request<'_>) -> Result<Self, Refused> {
        let input = Self::read(request).map_err(Refused::Malformed)?;
        Violations::of(&input).map_err(Refused::Invalid)?;
        Ok(input)
    }
}

/// A type that travels as text in a path, query or header.
pub trait FromText: Sized {
    /// Reads the decoded text.
    fn parse_text(text: &str) -> Result<Self, Malformed>;
}

/// The way back of [`FromText`].
pub trait ToText {
    /// The text before any encoding.
    fn to_text(&self) -> String;
}

impl Request<'_> {
    /// A label of the path.
    pub fn label<T: FromText>(&self, name: &'static str) -> Result<Option<T>, Malformed> {
        self.labels.get(name)?.map(|text| T::parse_text(&text)).transpose()
    }

    /// A query parameter; the first if it is repeated.
    pub fn query<T: FromText>(&self, name: &'static str) -> Result<Option<T>, Malformed> {
        for pair in percent::query_pairs(self.query) {
            let (key, value) = pair.map_err(|_| Malformed("the query is not UTF-8".to_owned()))?;
            if key == name {
                return T::parse_text(&value).map(Some);
            }
        }
        Ok(None)
    }

    /// Every occurrence of a query parameter.
    pub fn query_list<T: FromText>(&self, name: &'static str) -> Result<Option<Vec<T>>, Malformed> {
        let mut values = Vec::new();
        for pair in percent::query_pairs(self.query) {
            let (key, value) = pair.map_err(|_| Malformed("the query is not UTF-8".to_owned()))?;
            if key == name {
                values.push(T::parse_text(&value)?);
            }
        }
        Ok((!values.is_empty()).then_some(values))
    }

    /// A header; `name` is in lower case.
    pub fn header<T: FromText>(&self, name: &'static str) -> Result<Option<T>, Malformed> {
        header(self.headers, name)
    }

    /// The JSON body; an empty one has no members.
    pub fn document<T: FromJson + Default>(&self) -> Result<T, Malformed> {
        message::document(self.body)
    }

    /// The JSON body as one member; absent if empty.
    pub fn whole_document<T: FromJson + Default>(&self) -> Result<Option<T>, Malformed> {
        if self.body.is_empty() { Ok(None) } else { self.document().map(Some) }
    }

    /// The body as it is; absent if empty.
    #[must_use]
    pub fn payload(&self) -> Option<Bytes> {
        (!self.body.is_empty()).then(|| self.body.clone())
    }
}

pub(super) fn header<T: FromText>(headers: &HeaderMap, name: &str) -> Result<Option<T>, Malformed> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let text = std::str::from_utf8(value.as_bytes())
        .map_err(|_| Malformed(format!("header {name} is not UTF-8")))?;
    T::parse_text(text).map(Some)
}

impl ClientRequest {
    /// A request to `http` with the labels that `label` gives.
    #[must_use]
    pub fn new(http: &'static Http, label: impl Fn(&str) -> String) -> Self {
        let mut request =
            Self { method: http.method, path: http.uri.path(label), ..ClientRequest::default() };
        for (name, value) in http.uri.query {
            request.pair(name, value);
        }
        request
    }

    /// Adds a query parameter if it is set.
    pub fn query<T: ToText>(&mut self, name: &'static str, value: Option<&T>) {
        if let Some(value) = value {
            self.pair(name, &value.to_text());
        }
    }

    /// Adds a repeated query parameter.
    pub fn query_list<T: ToText>(&mut self, name: &'static str, values: Option<&Vec<T>>) {
        values.into_iter().flatten().for_each(|value| self.pair(name, &value.to_text()));
    }

    /// Adds a header if it is set; `name` is in lower case.
    pub fn header<T: ToText>(&mut self, name: &'static str, value: Option<&T>) {
        set_header(&mut self.headers, name, value);
    }

    /// Sets the JSON body.
    pub fn document<T: ToJson>(&mut self, value: &T) {
        self.headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.body = to_json(value).into();
    }

    /// Sets the JSON body to one member, if it is set.
    pub fn whole_document<T: ToJson>(&mut self, value: Option<&T>) {
        if let Some(value) = value {
            self.document(value);
        }
    }

    /// Sets the raw body.
    pub fn payload(&mut self, payload: Option<&Bytes>) {
        self.body = payload.cloned().unwrap_or_default();
    }

    fn pair(&mut self, name: &str, value: &str) {
        if !self.query.is_empty() {
            self.query.push('&');
        }
        self.query.push_str(&percent::encode(name));
        self.query.push('=');
        self.query.push_str(&percent::encode(value));
    }
}

/// Sets a header if the value is set. Text that no header can carry (control characters) is left out rather than
/// letting it break the message's framing.
pub(super) fn set_header<T: ToText>(headers: &mut HeaderMap, name: &'static str, value: Option<&T>) {
    let Some(value) = value else { return };
    if let Ok(value) = HeaderValue::from_bytes(value.to_text().as_bytes()) {
        headers.insert(name, value);
    }
}

impl FromText for String {
    fn parse_text(text: &str) -> Result<Self, Malformed> {
        Ok(text.to_owned())
    }
}

impl ToText for String {
    fn to_text(&self) -> String {
        self.clone()
    }
}

impl<E: OpenEnum> FromText for E {
    fn parse_text(text: &str) -> Result<Self, Malformed> {
        Ok(text.to_owned().into())
    }
}

impl<E: OpenEnum> ToText for E {
    fn to_text(&self) -> String {
        self.as_ref().to_owned()
    }
}

/// Scalars travel as their JSON form.
macro_rules! scalar_text {
    ($($scalar:ty),+) => {$(
        impl FromText for $scalar {
            fn parse_text(text: &str) -> Result<Self, Malformed> {
                text.parse().map_err(|_| {
                    Malformed(format!("STRING_VALUE can not be converted to {}", <Self as FromJson>::SCALAR.unwrap_or("a value")))
                })
            }
        }

        impl ToText for $scalar {
            fn to_text(&self) -> String {
                self.to_string()
            }
        }
    )+};
}

scalar_text!(bool, i32, i64, f64);

/// In queries and headers, times are RFC 3339 or seconds since the epoch.
impl FromText for Timestamp {
    fn parse_text(text: &str) -> Result<Self, Malformed> {
        crate::time::parse_rfc3339(text)
            .map_or_else(|| f64::parse_text(text).and_then(|s| Self::from_number(Numeral::Real(s))), Ok)
    }
}

impl ToText for Timestamp {
    fn to_text(&self) -> String {
        crate::time::rfc3339(*self)
    }
}
