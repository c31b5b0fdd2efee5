//! Writes that must come to an end: carried out whether or not the caller still waits, and told in words that show
//! nothing of the disk.

use std::fmt::Display;
use std::future::Future;

use model::error::ServiceError;
use store::records::RecordError;

/// Runs a write to its end even if the caller stops waiting for it.
pub(crate) async fn to_the_end<T: Send + 'static, E: From<ServiceError> + Send + 'static>(
    write: impl Future<Output = Result<T, E>> + Send + 'static,
) -> Result<T, E> {
    tokio::spawn(write).await.unwrap_or_else(|error| {
        tracing::error!(%error, "a change broke off");
        Err(ServiceError::Internal("The change broke off.".to_owned()).into())
    })
}

/// What the caller is told when the store refuses to keep a change of `subject`; the log has the cause.
pub(crate) fn not_written(subject: impl Display, error: &RecordError) -> ServiceError {
    match error {
        RecordError::Closed => ServiceError::Unavailable("The server is stopping.".to_owned()),
        error => {
            tracing::error!(%subject, %error, "cannot make a change durable");
            ServiceError::Internal("The change could not be stored; nothing was changed.".to_owned())
        }
    }
}
