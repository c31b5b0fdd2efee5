//! Which AWS service a request is meant for. One port serves them all, so the request itself has to tell: by its
//! signature's scope, its target header, the host that it names, and at last its path.

use http::Method;
use http::request::Parts;

/// A service as the request names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Service {
    /// AWS Lambda.
    Lambda,
    /// Another one, which is not served.
    Other(String),
    /// Nothing in the request says.
    Unknown,
}

/// Longest service name that is repeated to the caller.
const NAME_CHARS_MAX: usize = 40;

impl Service {
    /// The service that a request is meant for.
    pub fn of(head: &Parts) -> Self {
        signed_for(head)
            .or_else(|| targeted(head))
            .or_else(|| named_by_host(head))
            .or_else(|| linked(head))
            .or_else(|| unsigned_form(head))
            .map_or_else(|| by_path(head.uri.path()), Self::named)
    }

    fn named(name: &str) -> Self {
        match name {
            "lambda" => Self::Lambda,
            other => Self::Other(other.chars().take(NAME_CHARS_MAX).collect()),
        }
    }
}

/// The fourth part of the credential scope: `KEY/DATE/REGION/SERVICE/aws4_request`.
fn signed_for(head: &Parts) -> Option<&str> {
    let header = head.headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let in_header = header.and_then(|text| text.split_once("Credential=")).map(|(_, rest)| (rest, "/"));
    let in_query = || {
        let (_, rest) = head.uri.query()?.split_once("X-Amz-Credential=")?;
        let rest = rest.split('&').next()?;
        Some((rest, if rest.contains('/') { "/" } else { "%2F" }))
    };
    let (scope, separator) = in_header.or_else(in_query)?;
    scope.split(separator).nth(3).filter(|name| is_name(name))
}

/// `X-Amz-Target: DynamoDB_20120810.GetItem`.
fn targeted(head: &Parts) -> Option<&str> {
    let target = head.headers.get("x-amz-target")?.to_str().ok()?;
    target.split(['.', '_']).next().filter(|name| is_name(name))
}

/// `lambda.us-east-1.amazonaws.com`, or the same under a domain of one's own.
fn named_by_host(head: &Parts) -> Option<&str> {
    let host = head.headers.get(http::header::HOST)?.to_str().ok()?;
    let (first, _) = host.split_once('.')?;
    (first == "lambda").then_some(first)
}

/// What a link asks for: one that a topic has sent to an endpoint, `/?Action=ConfirmSubscription&…`, or an exchange of a
/// web identity for credentials.
fn linked(head: &Parts) -> Option<&'static str> {
    let pairs = head.uri.query().filter(|_| head.uri.path() == "/")?.split('&');
    pairs.into_iter().find_map(|pair| match pair {
        "Action=ConfirmSubscription" | "Action=Unsubscribe" => Some("sns"),
        "Action=AssumeRoleWithWebIdentity" | "Action=AssumeRoleWithSAML" => Some("sts"),
        _ => None,
    })
}

/// A form of which nothing says whose it is: only STS has operations that clients send without a signature.
fn unsigned_form(head: &Parts) -> Option<&'static str> {
    let content = head.headers.get(http::header::CONTENT_TYPE)?.as_bytes();
    let form = b"application/x-www-form-urlencoded";
    let is_form = content.len() >= form.len() && content[..form.len()].eq_ignore_ascii_case(form);
    (is_form && head.method == Method::POST && head.uri.path() == "/").then_some("sts")
}

/// Lambda's paths begin with the day of an API version.
fn by_path(path: &str) -> Service {
    let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    let is_day = first.len() == 10
        && first.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    if is_day { Service::Lambda } else { Service::Unknown }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(uri: &str, headers: &[(&str, &str)], expect: Service) {
        let mut request = http::Request::get(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).expect("a request").into_parts();
        assert_eq!(Service::of(&head), expect, "{uri} {headers:?}");
    }

    #[test]
    fn the_service_is_found() {
        let other = |name: &str| Service::Other(name.to_owned());
        let signed = |service: &str| {
            format!("AWS4-HMAC-SHA256 Credential=AKIA/20261123/us-east-1/{service}/aws4_request, Signature=0")
        };
        check("/", &[("authorization", &signed("lambda"))], Service::Lambda);
        check("/2015-03-31/functions", &[("authorization", &signed("sqs"))], other("sqs"));
        check("/?X-Amz-Credential=AKIA%2F20261123%2Fus-east-1%2Fs3%2Faws4_request", &[], other("s3"));
        check("/", &[("x-amz-target", "DynamoDB_20120810.GetItem")], other("DynamoDB"));
        check("/", &[("host", "lambda.us-east-1.amazonaws.com")], Service::Lambda);
        check("/2015-03-31/functions", &[("host", "localhost:4566")], Service::Lambda);
        check("/", &[("host", "localhost:4566")], Service::Unknown);
        check("/", &[("authorization", "Basic eDp5")], Service::Unknown);
        check("/?Action=ConfirmSubscription&Token=1", &[("host", "localhost:4566")], other("sns"));
        check("/?Action=Publish", &[("host", "localhost:4566")], Service::Unknown);
        check("/?Action=AssumeRoleWithSAML&Version=1", &[("host", "localhost:4566")], other("sts"));
        check("/", &[("content-type", "application/x-www-form-urlencoded")], Service::Unknown);
    }
}
