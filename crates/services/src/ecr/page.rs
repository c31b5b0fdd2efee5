//! Pages of lists. A token names the last item of the page before, so that it stays right while items come and
//! go; it holds no secret and needs no memory here.
//! Every page is bounded, whatever is asked for.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::error::ServiceError;

use super::error::invalid;

/// Items on a page where none is asked for, and at most (ECR API Reference, `maxResults`).
const PAGE_DEFAULT: usize = 100;
const PAGE_MAX: usize = 1_000;

/// Cuts the page out of `items`, which are sorted by `key`; returns the token of the next one, if there is one.
pub(super) fn cut<T>(
    mut items: Vec<T>,
    key: impl Fn(&T) -> String,
    token: Option<&str>,
    max_results: Option<i32>,
) -> Result<(Vec<T>, Option<String>), ServiceError> {
    if let Some(token) = token {
        let after = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let after = after.ok_or_else(|| invalid("nextToken", "Invalid pagination token"))?;
        items.retain(|item| key(item) > after);
    }
    let limit = max_results.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(PAGE_DEFAULT);
    let limit = limit.clamp(1, PAGE_MAX);
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| URL_SAFE_NO_PAD.encode(key(last)));
    Ok((items, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_cover_everything_once() {
        let items: Vec<String> = (0..7).map(|number| format!("i{number}")).collect();
        let (mut seen, mut token) = (Vec::new(), None);
        loop {
            let (page, next) = cut(items.clone(), Clone::clone, token.as_deref(), Some(3)).unwrap();
            assert!(page.len() <= 3);
            seen.extend(page);
            token = next;
            if token.is_none() {
                break;
            }
        }
        assert_eq!(seen, items);
        assert!(cut(items, Clone::clone, Some("!"), None).is_err());
    }
}
