//! What the processes of an environment reach at `AWS_LAMBDA_RUNTIME_API`, served on a socket inside their sandbox:
//! the Runtime API, the Extensions API, the Telemetry API and its predecessor, the Logs API.
//!
//! Whoever connects is hostile until proven otherwise: sizes, ids and states are checked here and refused with the
//! answers that AWS documents. What a request means is the environment's business.

mod body;
mod extensions;
mod reply;
mod runtime;

use std::convert::Infallible;
use std::sync::Arc;

use http::header::HeaderValue;
use http::{Method, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use model::error::ServiceError;
use model::port::Invocation;
use tokio::net::TcpStream;

use crate::environment::Environment;
use crate::telemetry::Api;
use reply::{Reply, not_found, wrong_method};

/// What one connection may buffer of request heads.
const BUFFER_BYTES: usize = 64 * 1024;

/// Serves one connection to its end. The generation says to which processes of the environment it belongs.
pub(crate) async fn serve(environment: Arc<Environment>, generation: u64, stream: TcpStream) {
    // A response is one small write; waiting for more would only delay it.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let caller = Caller { environment: Arc::clone(&environment), generation };
        async move { Ok::<_, Infallible>(handle(&caller, request).await) }
    });
    let connection =
        http1::Builder::new().max_buf_size(BUFFER_BYTES).serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection from inside ended badly");
    }
}

/// Refuses an invocation whose texts cannot travel as HTTP headers.
pub(crate) fn check_headers(invocation: &Invocation) -> Result<(), ServiceError> {
    let texts = [&invocation.client_context, &invocation.cognito_identity, &invocation.trace];
    let bad = texts.into_iter().flatten().any(|text| HeaderValue::from_bytes(text.as_bytes()).is_err());
    if bad {
        return Err(ServiceError::InvalidRequestContent(
            "The client context, identity or trace header holds control characters.".to_owned(),
        ));
    }
    Ok(())
}

/// Who calls: the processes of one generation of an environment.
struct Caller {
    environment: Arc<Environment>,
    generation: u64,
}

async fn handle(caller: &Caller, request: Request<Incoming>) -> Reply {
    let path = request.uri().path().to_owned();
    let method = request.method().clone();
    let Some((version, route)) = path.strip_prefix('/').and_then(|path| path.split_once('/')) else {
        return not_found();
    };
    let route = route.split('/').collect::<Vec<_>>();
    match (version, method, route.as_slice()) {
        ("2018-06-01", Method::GET, ["runtime", "invocation", "next"]) => runtime::next(caller).await,
        ("2018-06-01", Method::POST, ["runtime", "invocation", id, "response"]) => {
            runtime::response(caller, id, request).await
        }
        ("2018-06-01", Method::POST, ["runtime", "invocation", id, "error"]) => {
            runtime::error(caller, id, request).await
        }
        ("2018-06-01", Method::POST, ["runtime", "init", "error"]) => {
            runtime::init_error(caller, request).await
        }
        ("2020-01-01", Method::POST, ["extension", "register"]) => {
            extensions::register(caller, request).await
        }
        ("2020-01-01", Method::GET, ["extension", "event", "next"]) => {
            extensions::next(caller, &request).await
        }
        ("2020-01-01", Method::POST, ["extension", "init", "error"]) => {
            extensions::init_error(caller, request).await
        }
        ("2020-01-01", Method::POST, ["extension", "exit", "error"]) => {
            extensions::exit_error(caller, request).await
        }
        ("2022-07-01", Method::PUT, ["telemetry"]) => {
            extensions::subscribe(caller, Api::Telemetry, request).await
        }
        ("2020-08-15", Method::PUT, ["logs"]) => extensions::subscribe(caller, Api::Logs, request).await,
        (version, _, route) => {
            body::discard(request).await;
            if is_route(version, route) { wrong_method() } else { not_found() }
        }
    }
}

/// Whether something is served there, by whatever method.
fn is_route(version: &str, route: &[&str]) -> bool {
    match version {
        "2018-06-01" => matches!(
            route,
            ["runtime", "invocation", _, "response" | "error"]
                | ["runtime", "invocation", "next"]
                | ["runtime", "init", "error"]
        ),
        "2020-01-01" => matches!(
            route,
            ["extension", "register"]
                | ["extension", "event", "next"]
                | ["extension", "init" | "exit", "error"]
        ),
        "2022-07-01" => route == ["telemetry"],
        "2020-08-15" => route == ["logs"],
        _ => false,
    }
}
