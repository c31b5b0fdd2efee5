//! Signing a request: hands its parts to `wire`'s signer, which adds date, session token and signature. The
//! secret is passed on and never looked at here.

use http::Request;
use jiff::Timestamp;
use wire::sigv4::{self, Outgoing, Rules, Target};

/// The service that the requests are for, as it stands in the credential scope.
const SERVICE: &str = "lambda";

/// Signs a request whose `Host` header is set already.
pub(super) fn sign(request: &mut Request<()>, body: &[u8], key: &sigv4::Credentials, region: &str) {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let mut outgoing = Outgoing {
        method: method.as_str(),
        path: uri.path(),
        query: uri.query().unwrap_or_default(),
        headers: request.headers_mut(),
        body,
    };
    let target = Target { region, service: SERVICE, rules: Rules::STANDARD };
    let now = model::time::Timestamp::from_millis(Timestamp::now().as_millisecond());
    sigv4::sign(&mut outgoing, target, key, now);
}
