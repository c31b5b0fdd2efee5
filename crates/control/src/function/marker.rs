//! The opaque place in a list that `NextMarker` gives out and `Marker` takes back. It names the last function
//! of the page, so a list stays right while functions come and go.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::error::ServiceError;
use model::name::FunctionName;

/// The marker after this function.
pub fn encode(last: &FunctionName) -> String {
    URL_SAFE_NO_PAD.encode(last.as_str())
}

/// The function after which the page begins.
///
/// # Errors
/// `InvalidParameterValue` for anything that [`encode`] did not make.
pub fn decode(marker: &str) -> Result<FunctionName, ServiceError> {
    let name = URL_SAFE_NO_PAD.decode(marker).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    name.and_then(|name| FunctionName::parse(&name).ok()).ok_or_else(|| {
        ServiceError::InvalidParameterValue("Invalid Marker. Use NextMarker of the last page.".to_owned())
    })
}
