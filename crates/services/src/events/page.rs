//! Pages of lists, by name. A token names the last item of the page before, so that it stays right while items come and
//! go; it holds no secret and needs no memory here.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::error::ServiceError;
use store::records::table::Table;
use store::records::typed::Stored;

use super::error::invalid;

/// Items on a page where none is asked for, and at most (EventBridge API Reference, `Limit`).
const PAGE_MAX: usize = 100;

/// Where a page begins and how long it is, as an input says.
pub(super) struct Page<'i> {
    pub(super) prefix: Option<&'i str>,
    pub(super) token: Option<&'i str>,
    pub(super) limit: Option<i32>,
}

impl Page<'_> {
    /// The wanted things of an owner on this page, and the token of the next one, if there is one.
    pub(super) fn of<T: Stored>(
        &self,
        table: &Table<T>,
        owner: &T::Owner,
        wanted: impl Fn(&T) -> bool,
    ) -> Result<(Vec<Arc<T>>, Option<String>), ServiceError> {
        let after = self.after()?;
        let prefix = self.prefix.unwrap_or_default();
        let wanted = |thing: &T| thing.name().starts_with(prefix) && wanted(thing);
        let (things, more) = table.page(owner, after.as_deref(), self.limit(), wanted);
        let next = things.last().filter(|_| more).map(|last| URL_SAFE_NO_PAD.encode(last.name()));
        Ok((things, next))
    }

    /// The same of things that are at hand, sorted by name.
    pub(super) fn cut<T>(
        &self,
        mut things: Vec<T>,
        name: impl Fn(&T) -> String,
    ) -> Result<(Vec<T>, Option<String>), ServiceError> {
        let after = self.after()?;
        let prefix = self.prefix.unwrap_or_default();
        things.retain(|thing| {
            let name = name(thing);
            name.starts_with(prefix) && after.as_ref().is_none_or(|after| name > *after)
        });
        let more = things.len() > self.limit();
        things.truncate(self.limit());
        let next = things.last().filter(|_| more).map(|last| URL_SAFE_NO_PAD.encode(name(last)));
        Ok((things, next))
    }

    fn after(&self) -> Result<Option<String>, ServiceError> {
        let read =
            |token: &str| URL_SAFE_NO_PAD.decode(token).ok().and_then(|name| String::from_utf8(name).ok());
        self.token
            .map(|token| read(token).ok_or_else(|| invalid("The value of parameter NextToken is not valid.")))
            .transpose()
    }

    fn limit(&self) -> usize {
        self.limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX)
    }
}
