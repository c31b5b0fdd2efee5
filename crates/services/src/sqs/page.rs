//! Pages of lists of queues, by name. A token names the last queue of the page before, so that it stays right while queues
//! come and go; it holds no secret and needs no memory here.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::arn::Scope;
use model::error::ServiceError;
use model::sqs::UserQueue;

use super::error::{invalid, value};
use super::{Caller, Sqs, name};

/// Queues on a page (SQS API Reference, `ListQueues`).
const PAGE_MAX: i32 = 1_000;

/// Which page.
pub(super) struct Page<'i> {
    pub(super) token: Option<&'i str>,
    pub(super) max: Option<i32>,
}

impl Page<'_> {
    /// The addresses of the wanted queues on this page, and the token of the next one.
    pub(super) fn of(
        &self,
        sqs: &Sqs,
        caller: &Caller,
        scope: &Scope,
        wanted: impl Fn(&UserQueue) -> bool,
    ) -> Result<(Vec<String>, Option<String>), ServiceError> {
        let max = self.max.unwrap_or(PAGE_MAX);
        if !(1..=PAGE_MAX).contains(&max) {
            return Err(value("MaxResults", max, "Must be an integer from 1 to 1000."));
        }
        let read = |token: &str| String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok();
        let after = self
            .token
            .map(|token| read(token).ok_or_else(|| invalid("Invalid or expired next token.")))
            .transpose()?;
        let count = usize::try_from(max).unwrap_or_default();
        let (queues, more) = sqs.queues.page(scope, after.as_deref(), count, wanted);
        // Without a length the first page is all that is asked for.
        let more = more && self.max.is_some();
        let next = queues.last().filter(|_| more).map(|last| URL_SAFE_NO_PAD.encode(&last.id.name));
        let url = |queue: &Arc<UserQueue>| name::url(caller, queue);
        Ok((queues.iter().map(url).collect(), next))
    }
}
