//! Operations that are carried out to their end, whoever stops waiting for them: nothing is left half done by a caller who
//! hangs up.

use model::error::ServiceError;

/// Carries out an operation of a service, to its end even if nobody waits for it.
pub(crate) async fn to_the_end<T: Send + 'static>(
    service: &'static str,
    operation: impl Future<Output = Result<T, ServiceError>> + Send + 'static,
) -> Result<T, ServiceError> {
    tokio::spawn(operation).await.unwrap_or_else(|error| {
        tracing::error!(service, %error, "an operation broke off");
        Err(ServiceError::Internal("The operation broke off.".to_owned()))
    })
}
