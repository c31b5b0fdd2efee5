//! How the server is, for people, monitors and the command line.
//!
//! These pages name no function and no caller, because they need no signature.
//! Their JSON is stable: members may be added, none changes its meaning.

use http::{Response, StatusCode};
use serde_json::json;

use crate::app::App;
use crate::respond::{Body, content};

/// 200 while the server takes requests, 503 while it stops.
pub fn health(app: &App) -> Response<Body> {
    let about = &app.parts.about;
    let is_stopping = *app.stopping.borrow();
    let body = json!({
        "status": if is_stopping { "stopping" } else { "ok" },
        "version": about.version,
        "weaknesses": about.weaknesses,
    });
    let mut response = content("application/json", body.to_string());
    if is_stopping {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

/// All counters and gauges as Prometheus text.
pub fn metrics(app: &App) -> Response<Body> {
    let about = &app.parts.about;
    content("text/plain; version=0.0.4", app.metrics.render(about.version, &(about.gauges)()))
}
