//! Pages of lists. A token names the last thing of the page before, so that it stays right while things come and go; it holds
//! no secret and needs no memory here. Source: SNS API Reference: a hundred on a page.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::error::ServiceError;

use super::error::invalid;

/// Things on a page.
pub(super) const PAGE_MAX: usize = 100;

/// After what a page begins.
pub(super) fn after(token: Option<&String>) -> Result<Option<String>, ServiceError> {
    let read = |token: &String| String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok();
    let token = token.filter(|token| !token.is_empty());
    token.map(|token| read(token).ok_or_else(|| invalid("NextToken"))).transpose()
}

/// The token of the page after the one that ends with `last`, if there is one.
pub(super) fn token(last: Option<&str>, more: bool) -> Option<String> {
    last.filter(|_| more).map(|last| URL_SAFE_NO_PAD.encode(last))
}
