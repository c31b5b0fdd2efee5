//! The opaque place in a list that `NextMarker` gives out and `Marker` takes back. It names the last item of the
//! page, so a list stays right while items come and go.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::error::ServiceError;

/// The marker after this item.
pub(crate) fn encode(last: &str) -> String {
    URL_SAFE_NO_PAD.encode(last)
}

/// The item after which the page begins, read by `parse`.
///
/// # Errors
/// `InvalidParameterValue` for anything that [`encode`] did not make.
pub(crate) fn decode<T>(marker: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, ServiceError> {
    let last = URL_SAFE_NO_PAD.decode(marker).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    last.and_then(|last| parse(&last)).ok_or_else(|| {
        ServiceError::InvalidParameterValue("Invalid Marker. Use NextMarker of the last page.".to_owned())
    })
}
