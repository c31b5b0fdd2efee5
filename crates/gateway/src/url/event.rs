//! The event that a request to an address becomes: payload format 2.0. Pure.
//!
//! Members that do not apply are absent, as Lambda leaves them out. A body is text if its content type says so and it is
//! UTF-8; all else is Base64.
//!
//! Source: Lambda Developer Guide, "Invoking Lambda function URLs", "Request and response payloads"; API Gateway
//! Developer Guide, "Working with AWS Lambda proxy integrations for HTTP APIs".

use std::collections::BTreeMap;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, COOKIE, HOST, USER_AGENT};
use http::request::Parts;
use http::{HeaderMap, HeaderName};
use model::id::RequestId;
use model::time::Timestamp;
use model::url::FunctionUrl;
use serde_json::{Map, Value, json};

use super::admission::Signer;
use crate::lambda::invoke::TRACE_HEADER;

const FORWARDED_FOR: &str = "x-forwarded-for";
const DEFAULT: &str = "$default";

/// All that is known of a request.
pub struct Seen<'a> {
    pub url: &'a FunctionUrl,
    pub head: &'a Parts,
    /// Below the address, as it was sent.
    pub path: &'a str,
    pub id: RequestId,
    pub time: Timestamp,
    pub peer: Option<IpAddr>,
    /// The port that it came to.
    pub port: u16,
    pub trace: &'a str,
    pub signer: Option<&'a Signer>,
    pub body: &'a Bytes,
}

impl Seen<'_> {
    /// The event.
    pub fn event(&self) -> Bytes {
        let query = self.head.uri.query().unwrap_or_default();
        let mut event = Map::new();
        let mut set = |name: &str, value: Value| drop(event.insert(name.to_owned(), value));
        set("version", "2.0".into());
        set("routeKey", DEFAULT.into());
        set("rawPath", self.path.into());
        set("rawQueryString", query.into());
        let cookies = cookies(&self.head.headers);
        if !cookies.is_empty() {
            set("cookies", cookies.into());
        }
        set("headers", json!(self.headers()));
        let parameters = parameters(query);
        if !parameters.is_empty() {
            set("queryStringParameters", json!(parameters));
        }
        set("requestContext", self.context());
        let text = is_text(&self.head.headers).then(|| std::str::from_utf8(self.body).ok()).flatten();
        if !self.body.is_empty() {
            set("body", text.map_or_else(|| STANDARD.encode(self.body), str::to_owned).into());
        }
        set("isBase64Encoded", (!self.body.is_empty() && text.is_none()).into());
        Value::Object(event).to_string().into()
    }

    fn headers(&self) -> BTreeMap<&str, String> {
        let mut headers = BTreeMap::new();
        for name in self.head.headers.keys().filter(|name| **name != COOKIE) {
            headers.insert(name.as_str(), joined(&self.head.headers, name));
        }
        headers.insert(TRACE_HEADER, self.trace.to_owned());
        headers.insert("x-forwarded-proto", "http".to_owned());
        headers.insert("x-forwarded-port", self.port.to_string());
        if let Some(peer) = self.peer {
            let before =
                headers.remove(FORWARDED_FOR).map(|before| format!("{before}, ")).unwrap_or_default();
            headers.insert(FORWARDED_FOR, format!("{before}{peer}"));
        }
        headers
    }

    fn context(&self) -> Value {
        let host = text(&self.head.headers, &HOST);
        let domain = host.rsplit_once(':').map_or(host.as_str(), |(name, _)| name);
        let account = self.signer.map_or("anonymous", |_| self.url.function.scope.account.as_str());
        let mut context = json!({
            "accountId": account,
            "apiId": self.url.id.as_str(),
            "domainName": domain,
            "domainPrefix": self.url.id.as_str(),
            "http": {
                "method": self.head.method.as_str(),
                "path": self.path,
                "protocol": format!("{:?}", self.head.version),
                "sourceIp": self.peer.map(|peer| peer.to_string()).unwrap_or_default(),
                "userAgent": text(&self.head.headers, &USER_AGENT),
            },
            "requestId": self.id.to_string(),
            "routeKey": DEFAULT,
            "stage": DEFAULT,
            "time": wire::time::common_log(self.time),
            "timeEpoch": self.time.as_millis(),
        });
        if let (Some(signer), Value::Object(members)) = (self.signer, &mut context) {
            let (standing, account) = (signer.who.caller.standing(), signer.who.caller.account);
            let user_id = standing.facts.single("aws:userid").unwrap_or_default();
            let iam = json!({
                "accessKey": signer.key_id,
                "accountId": account.as_str(),
                "callerId": user_id,
                "cognitoIdentity": null,
                "principalOrgId": null,
                "userArn": standing.arn,
                "userId": user_id,
            });
            members.insert("authorizer".to_owned(), json!({ "iam": iam }));
        }
        context
    }
}

fn joined(headers: &HeaderMap, name: &HeaderName) -> String {
    let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    values.collect::<Vec<_>>().join(",")
}

fn text(headers: &HeaderMap, name: &HeaderName) -> String {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).unwrap_or_default()
}

fn cookies(headers: &HeaderMap) -> Vec<String> {
    let lines =
        headers.get_all(COOKIE).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let of_line = |line: String| -> Vec<String> {
        line.split(';').map(str::trim).filter(|cookie| !cookie.is_empty()).map(str::to_owned).collect()
    };
    lines.flat_map(of_line).collect()
}

/// The query by name; what is there more than once is joined by commas.
fn parameters(query: &str) -> BTreeMap<String, String> {
    let mut parameters = BTreeMap::<String, String>::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decoded(name), decoded(value));
        match parameters.get_mut(&name) {
            Some(known) => {
                known.push(',');
                known.push_str(&value);
            }
            None => drop(parameters.insert(name, value)),
        }
    }
    parameters
}

/// As browsers write forms. What is no text stays as it was sent.
fn decoded(raw: &str) -> String {
    let spaced = raw.replace('+', " ");
    match wire::percent::decode(&spaced) {
        Ok(text) => text.into_owned(),
        Err(_) => raw.to_owned(),
    }
}

fn is_text(headers: &HeaderMap) -> bool {
    let media = text(headers, &CONTENT_TYPE);
    let media = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let named = ["application/json", "application/xml", "application/javascript"];
    media.starts_with("text/")
        || named.contains(&media.as_str())
        || media.ends_with("+json")
        || media.ends_with("+xml")
}

#[cfg(test)]
mod tests {
    use control::identity::{Caller, Principal};
    use model::arn::{FunctionId, Scope};
    use model::id::{AccountId, Region};
    use model::name::{FunctionReference, Qualifier};
    use model::url::{UrlAuth, UrlId};

    use super::*;
    use crate::auth::Authenticated;

    fn url() -> FunctionUrl {
        let scope = Scope { account: AccountId::DEFAULT, region: Region::default_region() };
        let name = FunctionReference::parse("f").expect("a name").name;
        FunctionUrl {
            function: FunctionId { scope, name },
            qualifier: Qualifier::LATEST,
            id: UrlId::parse(&"a".repeat(32)).expect("an id"),
            auth: UrlAuth::None,
            cors: None,
            streams: false,
            created: Timestamp::default(),
            modified: Timestamp::default(),
        }
    }

    fn event(request: http::request::Builder, body: &[u8], signer: Option<&Signer>) -> Value {
        let (head, ()) = request.body(()).expect("a request").into_parts();
        let seen = Seen {
            url: &url(),
            head: &head,
            path: head.uri.path(),
            id: RequestId::from_random([7; 16]),
            time: Timestamp::from_millis(1_583_348_638_390),
            peer: Some([192, 0, 2, 1].into()),
            port: 4566,
            trace: "Root=1-0-0",
            signer,
            body: &Bytes::copy_from_slice(body),
        };
        serde_json::from_slice(&seen.event()).expect("JSON")
    }

    #[test]
    fn a_request_becomes_an_event_of_format_2() {
        let request = http::Request::post("/my/a%20b?p=1&p=2&q=a+b%21&flag&bad=%ff")
            .header("Host", "aaa.lambda-url.us-east-1.localhost:4566")
            .header("X-Many", "1")
            .header("X-Many", "2")
            .header("Cookie", "a=1; b=2")
            .header("Cookie", "c=3")
            .header("User-Agent", "agent")
            .header("X-Forwarded-For", "198.51.100.7")
            .header("Content-Type", "text/plain; charset=utf-8");
        let id = "a".repeat(32);
        let expect = json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": "/my/a%20b",
            "rawQueryString": "p=1&p=2&q=a+b%21&flag&bad=%ff",
            "cookies": ["a=1", "b=2", "c=3"],
            "headers": {
                "content-type": "text/plain; charset=utf-8",
                "host": "aaa.lambda-url.us-east-1.localhost:4566",
                "user-agent": "agent",
                "x-amzn-trace-id": "Root=1-0-0",
                "x-forwarded-for": "198.51.100.7, 192.0.2.1",
                "x-forwarded-port": "4566",
                "x-forwarded-proto": "http",
                "x-many": "1,2",
            },
            "queryStringParameters": { "p": "1,2", "q": "a b!", "flag": "", "bad": "%ff" },
            "requestContext": {
                "accountId": "anonymous",
                "apiId": id,
                "domainName": "aaa.lambda-url.us-east-1.localhost",
                "domainPrefix": id,
                "http": {
                    "method": "POST",
                    "path": "/my/a%20b",
                    "protocol": "HTTP/1.1",
                    "sourceIp": "192.0.2.1",
                    "userAgent": "agent",
                },
                "requestId": RequestId::from_random([7; 16]).to_string(),
                "routeKey": "$default",
                "stage": "$default",
                "time": "04/Mar/2020:19:03:58 +0000",
                "timeEpoch": 1_583_348_638_390_i64,
            },
            "body": "hällo",
            "isBase64Encoded": false,
        });
        assert_eq!(event(request, "hällo".as_bytes(), None), expect);
    }

    #[test]
    fn a_signer_is_told_and_what_does_not_apply_is_absent() {
        let caller = Caller::lasting(AccountId::DEFAULT, Principal::Root);
        let scope = Scope { account: AccountId::DEFAULT, region: Region::default_region() };
        let signer = Signer { key_id: Some("AKIA".to_owned()), who: Authenticated { caller, scope } };
        let event = event(http::Request::get("/"), b"", Some(&signer));
        let iam = &event["requestContext"]["authorizer"]["iam"];
        assert_eq!(iam["userArn"], "arn:aws:iam::000000000000:root");
        assert_eq!(iam["accessKey"], "AKIA");
        assert_eq!(event["requestContext"]["accountId"], "000000000000");
        assert_eq!(event["isBase64Encoded"], false);
        for absent in ["body", "cookies", "queryStringParameters"] {
            assert_eq!(event.get(absent), None, "{absent}");
        }
    }

    #[test]
    fn bodies_are_text_by_their_content_type() {
        let form = "application/x-www-form-urlencoded";
        let table: &[(Option<&str>, &[u8], bool)] = &[
            (Some("application/json"), b"{}", false),
            (Some("Application/JSON; charset=utf-8"), b"{}", false),
            (Some("application/problem+json"), b"{}", false),
            (Some("image/svg+xml"), b"<svg/>", false),
            (Some("text/css"), b"a", false),
            (Some("text/plain"), b"\xff", true),
            (Some(form), b"a=1", true),
            (Some("application/octet-stream"), b"a", true),
            (None, b"a", true),
        ];
        for (media, body, is_base64) in table {
            let request = media.map_or_else(
                || http::Request::post("/"),
                |media| http::Request::post("/").header("content-type", media),
            );
            let event = event(request, body, None);
            assert_eq!(event["isBase64Encoded"], *is_base64, "{media:?}");
            if *is_base64 {
                assert_eq!(event["body"], STANDARD.encode(body), "{media:?}");
            }
        }
    }
}
