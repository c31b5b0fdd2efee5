//! What browsers are told of pages of other sites: the URL's own rules, in the place of anything that the function says.
//! Pure.
//!
//! A preflight request is answered here, without a signature and without the function. What is allowed to everybody is
//! told as what was asked for, so that it also holds where credentials are sent.
//!
//! Source: Lambda Developer Guide, "Creating and managing Lambda function URLs", "Cross-origin resource sharing (CORS)".

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use model::url::Cors;

use crate::respond::{Body, content};

/// The answer to a browser that asks before it sends, if this is one.
pub fn preflight(cors: &Cors, head: &Parts) -> Option<Response<Body>> {
    let asked = head.headers.get(ACCESS_CONTROL_REQUEST_METHOD)?;
    if head.method != Method::OPTIONS || !head.headers.contains_key(ORIGIN) {
        return None;
    }
    let mut response = content("application/json", Bytes::new());
    let headers = response.headers_mut();
    if admit(cors, &head.headers, headers) {
        let wanted = head.headers.get(ACCESS_CONTROL_REQUEST_HEADERS);
        list(headers, ACCESS_CONTROL_ALLOW_METHODS, &cors.allow_methods, Some(asked));
        list(headers, ACCESS_CONTROL_ALLOW_HEADERS, &cors.allow_headers, wanted);
        if let Some(seconds) = cors.max_age_s {
            headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(seconds));
        }
    }
    Some(response)
}

/// Puts the URL's rules on an answer, and takes the function's off.
pub fn tell(cors: &Cors, request: &HeaderMap, response: &mut HeaderMap) {
    for name in [
        ACCESS_CONTROL_ALLOW_CREDENTIALS,
        ACCESS_CONTROL_ALLOW_HEADERS,
        ACCESS_CONTROL_ALLOW_METHODS,
        ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS,
        ACCESS_CONTROL_MAX_AGE,
    ] {
        response.remove(name);
    }
    if admit(cors, request, response) {
        list(response, ACCESS_CONTROL_EXPOSE_HEADERS, &cors.expose_headers, None);
    }
}

/// Whether pages of the site that asks may call; said in the answer if so.
fn admit(cors: &Cors, request: &HeaderMap, response: &mut HeaderMap) -> bool {
    response.append(VARY, HeaderValue::from_static("Origin"));
    let Some(origin) = request.get(ORIGIN) else { return false };
    let is_allowed =
        |allowed: &String| allowed == "*" || allowed.as_bytes().eq_ignore_ascii_case(origin.as_bytes());
    if !cors.allow_origins.iter().any(is_allowed) {
        return false;
    }
    response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    if cors.allow_credentials == Some(true) {
        response.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    true
}

fn list(headers: &mut HeaderMap, name: HeaderName, allowed: &[String], asked: Option<&HeaderValue>) {
    let told = match asked {
        Some(asked) if allowed.iter().any(|allowed| allowed == "*") => Some(asked.clone()),
        // What was configured and fits no header is told to nobody.
        _ => HeaderValue::from_str(&allowed.join(",")).ok(),
    };
    if let Some(told) = told.filter(|told| !told.is_empty()) {
        headers.insert(name, told);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Cors {
        let list = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect();
        Cors {
            allow_credentials: Some(true),
            allow_headers: list(&["X-One", "X-Two"]),
            allow_methods: list(&["GET", "POST"]),
            allow_origins: list(&["https://page.example"]),
            expose_headers: list(&["X-Seen"]),
            max_age_s: Some(60),
        }
    }

    fn head(method: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::builder().method(method).uri("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a request").into_parts().0
    }

    fn told(headers: &HeaderMap) -> Vec<String> {
        let mut told: Vec<_> = headers
            .iter()
            .filter(|(name, _)| name.as_str().starts_with("access-control-"))
            .map(|(name, value)| {
                format!("{}: {}", &name.as_str()["access-control-".len()..], value.to_str().expect("text"))
            })
            .collect();
        told.sort();
        told
    }

    const ASKED: [(&str, &str); 2] =
        [("origin", "https://page.example"), ("access-control-request-method", "POST")];

    #[test]
    fn preflights_are_answered_here() {
        let answer = preflight(&rules(), &head("OPTIONS", &ASKED)).expect("an answer");
        let expect = [
            "allow-credentials: true",
            "allow-headers: X-One,X-Two",
            "allow-methods: GET,POST",
            "allow-origin: https://page.example",
            "max-age: 60",
        ];
        assert_eq!(told(answer.headers()), expect);
        let foreign = [("origin", "https://evil.example"), ASKED[1]];
        let answer = preflight(&rules(), &head("OPTIONS", &foreign)).expect("an answer");
        assert_eq!(told(answer.headers()), Vec::<String>::new());
        for (method, headers) in [("GET", &ASKED[..]), ("OPTIONS", &ASKED[..1]), ("OPTIONS", &ASKED[1..])] {
            assert!(preflight(&rules(), &head(method, headers)).is_none(), "{method} {headers:?}");
        }
    }

    #[test]
    fn everything_is_told_as_what_was_asked_for() {
        let any = || vec!["*".to_owned()];
        let open =
            Cors { allow_headers: any(), allow_methods: any(), allow_origins: any(), ..Cors::default() };
        let asked = [ASKED[0], ASKED[1], ("access-control-request-headers", "x-a,x-b")];
        let answer = preflight(&open, &head("OPTIONS", &asked)).expect("an answer");
        let expect = ["allow-headers: x-a,x-b", "allow-methods: POST", "allow-origin: https://page.example"];
        assert_eq!(told(answer.headers()), expect);
    }

    #[test]
    fn the_rules_take_the_place_of_the_functions() {
        let mut answer = HeaderMap::new();
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("9"));
        tell(&rules(), &head("GET", &ASKED[..1]).headers, &mut answer);
        let expect =
            ["allow-credentials: true", "allow-origin: https://page.example", "expose-headers: X-Seen"];
        assert_eq!(told(&answer), expect);
        tell(&rules(), &HeaderMap::new(), &mut answer);
        assert_eq!(told(&answer), Vec::<String>::new());
    }
}
