//! Function URLs: make, get, change, list, delete, and find by address.
//!
//! A URL belongs to `$LATEST` or to an alias, is written in turn with its function, and goes with it.
//!
//! Source: Lambda API reference, `CreateFunctionUrlConfig` and its kin; Developer Guide, "Creating and managing Lambda
//! function URLs".

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use model::arn::{FunctionId, Scope};
use model::error::ServiceError;
use model::function::Function;
use model::limits;
use model::name::{FunctionReference, Qualifier, Version};
use model::url::{Cors, FunctionUrl, UrlAuth, UrlId};

use super::Functions;
use super::reference::{one_qualifier, own_id};
use super::refusal::not_found;
use crate::durable::not_written;
use crate::marker;

/// Methods that pages may be allowed, as AWS lists them.
const METHODS: [&str; 7] = ["GET", "PUT", "HEAD", "POST", "PATCH", "DELETE", "*"];

/// Addresses whose place is remembered; when there are more, remembering starts anew.
const PLACES_MAX: usize = 10_000;

/// The function and the qualifier of an address.
type Place = (FunctionId, String);

/// Where addresses were found. Only a hint: an address that has gone is not there any more.
pub(super) type Places = Mutex<HashMap<UrlId, Place>>;

/// What is to be set; what is absent stays as it is, or is Lambda's default.
#[derive(Debug, Clone, Default)]
pub struct UrlChange {
    /// Who may call; mandatory for a new URL.
    pub auth: Option<UrlAuth>,
    /// Rules for browsers, all of them at once.
    pub cors: Option<Cors>,
    /// Whether the response is sent as it comes.
    pub streams: Option<bool>,
}

/// One page of a list.
#[derive(Debug, Clone)]
pub struct UrlPage {
    /// Ordered by qualifier.
    pub urls: Vec<Arc<FunctionUrl>>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

impl Functions {
    /// Makes the URL of a function or alias.
    ///
    /// # Errors
    /// `ResourceNotFound`; `ResourceConflict` if there is one; `InvalidParameterValue`.
    pub async fn create_url(
        &self,
        caller: &Scope,
        reference: &FunctionReference,
        qualifier: Option<&Qualifier>,
        change: UrlChange,
    ) -> Result<Arc<FunctionUrl>, ServiceError> {
        let (id, qualifier) = addressed(caller, reference, qualifier)?;
        check_cors(change.cors.as_ref())?;
        self.in_turn(&id.clone(), async move |functions, live| {
            functions.check_qualifier(&live, &id, &qualifier)?;
            let table = &functions.0.attachments.urls;
            if table.get(&id, &qualifier.to_string()).is_some() {
                return Err(exists(&id, &qualifier));
            }
            let mut random = [0; UrlId::LENGTH];
            functions.0.parts.entropy.fill(&mut random);
            let now = functions.0.parts.clock.now();
            let arn = id.arn().to_string();
            let url = FunctionUrl {
                function: id,
                qualifier,
                id: UrlId::from_random(random),
                // The safe one, where the model's constraint had not been checked.
                auth: change.auth.unwrap_or(UrlAuth::Iam),
                cors: change.cors.filter(|cors| *cors != Cors::default()),
                streams: change.streams.unwrap_or(false),
                created: now,
                modified: now,
            };
            table.put(url, None).await.map_err(|error| not_written(arn, &error))
        })
        .await
    }

    /// Changes a URL; its address stays.
    ///
    /// # Errors
    /// `ResourceNotFound`; `InvalidParameterValue`.
    pub async fn update_url(
        &self,
        caller: &Scope,
        reference: &FunctionReference,
        qualifier: Option<&Qualifier>,
        change: UrlChange,
    ) -> Result<Arc<FunctionUrl>, ServiceError> {
        let (id, qualifier) = addressed(caller, reference, qualifier)?;
        check_cors(change.cors.as_ref())?;
        self.in_turn(&id.clone(), async move |functions, _| {
            let table = &functions.0.attachments.urls;
            let entry = table.get(&id, &qualifier.to_string()).ok_or_else(missing)?;
            let mut url = FunctionUrl::clone(&entry.value);
            url.auth = change.auth.unwrap_or(url.auth);
            url.streams = change.streams.unwrap_or(url.streams);
            if let Some(cors) = change.cors {
                url.cors = Some(cors).filter(|cors| *cors != Cors::default());
            }
            url.modified = functions.0.parts.clock.now();
            table.put(url, Some(entry.stored)).await.map_err(|error| not_written(id.arn(), &error))
        })
        .await
    }

    /// The URL of a function or alias.
    ///
    /// # Errors
    /// `ResourceNotFound`.
    pub fn url(
        &self,
        caller: &Scope,
        reference: &FunctionReference,
        qualifier: Option<&Qualifier>,
    ) -> Result<Arc<FunctionUrl>, ServiceError> {
        let (id, qualifier) = addressed(caller, reference, qualifier)?;
        self.0.registry.look(&id, |_| ()).ok_or_else(|| not_found(&id, None))?;
        let entry = self.0.attachments.urls.get(&id, &qualifier.to_string());
        entry.map(|entry| entry.value).ok_or_else(missing)
    }

    /// The URLs of a function by qualifier, a page at a time.
    ///
    /// # Errors
    /// `ResourceNotFound`; `InvalidParameterValue` for a marker that was not given out here.
    pub fn urls(
        &self,
        caller: &Scope,
        reference: &FunctionReference,
        marker: Option<&str>,
        count_max: usize,
    ) -> Result<UrlPage, ServiceError> {
        let id = self.existing(caller, reference)?;
        let after = marker.map(|marker| marker::decode(marker, |name| Some(name.to_owned()))).transpose()?;
        let count_max = count_max.clamp(1, limits::LIST_PAGE_MAX);
        let (urls, has_more) = self.0.attachments.urls.page(&id, after.as_deref(), count_max, |_| true);
        let next = urls.last().filter(|_| has_more).map(|last| marker::encode(&last.qualifier.to_string()));
        Ok(UrlPage { urls, next })
    }

    /// Removes a URL; its address is never given out again.
    ///
    /// # Errors
    /// `ResourceNotFound`.
    pub async fn delete_url(
        &self,
        caller: &Scope,
        reference: &FunctionReference,
        qualifier: Option<&Qualifier>,
    ) -> Result<(), ServiceError> {
        let (id, qualifier) = addressed(caller, reference, qualifier)?;
        self.in_turn(&id.clone(), async move |functions, _| {
            let (table, name) = (&functions.0.attachments.urls, qualifier.to_string());
            let entry = table.get(&id, &name).ok_or_else(missing)?;
            table.remove(&id, &name, entry.stored).await.map_err(|error| not_written(id.arn(), &error))
        })
        .await
    }

    /// The URL with the address of this id. Looked for among all at first, and afterwards where it was found.
    #[must_use]
    pub fn url_at(&self, id: &UrlId) -> Option<Arc<FunctionUrl>> {
        let table = &self.0.attachments.urls;
        let found = |(function, qualifier): &Place| {
            let entry = table.get(function, qualifier)?;
            (entry.value.id == *id).then_some(entry.value)
        };
        let known = || self.0.url_places.lock().unwrap_or_else(PoisonError::into_inner);
        let place = known().get(id).cloned();
        if let Some(url) = place.as_ref().and_then(found) {
            return Some(url);
        }
        let place =
            |url: &FunctionUrl| (url.id == *id).then(|| (url.function.clone(), url.qualifier.to_string()));
        let place = table.gather(place).pop()?;
        let url = found(&place)?;
        let mut places = known();
        if places.len() >= PLACES_MAX {
            places.clear();
        }
        places.insert(id.clone(), place);
        Some(url)
    }

    /// The snapshot that a request to this address runs.
    ///
    /// # Errors
    /// As [`Functions::resolve`].
    pub fn resolve_url(&self, url: &FunctionUrl) -> Result<Arc<Function>, ServiceError> {
        self.resolve_at(&url.function, Some(&url.qualifier))
    }
}

/// The function, and `$LATEST` or the alias. A published version has no URL of its own.
fn addressed(
    caller: &Scope,
    reference: &FunctionReference,
    qualifier: Option<&Qualifier>,
) -> Result<(FunctionId, Qualifier), ServiceError> {
    match one_qualifier(reference, qualifier)? {
        Some(Qualifier::Version(Version::Published(number))) => {
            Err(ServiceError::InvalidParameterValue(format!(
                "A function URL belongs to $LATEST or to an alias, not to version {number}: make an alias for it."
            )))
        }
        named => {
            let named = named.cloned().unwrap_or(Qualifier::Version(Version::Latest));
            Ok((own_id(caller, reference)?, named))
        }
    }
}

fn check_cors(cors: Option<&Cors>) -> Result<(), ServiceError> {
    let methods = cors.map(|cors| cors.allow_methods.as_slice()).unwrap_or_default();
    match methods.iter().find(|method| !METHODS.contains(&method.as_str())) {
        None => Ok(()),
        Some(other) => Err(ServiceError::InvalidParameterValue(format!(
            "Value '{other}' at 'cors.allowMethods' failed to satisfy constraint: Member must satisfy enum value set: \
             [{}]",
            METHODS.join(", ")
        ))),
    }
}

fn exists(id: &FunctionId, qualifier: &Qualifier) -> ServiceError {
    let arn = match qualifier {
        Qualifier::Version(_) => id.arn(),
        Qualifier::Alias(_) => id.qualified_arn(qualifier),
    };
    ServiceError::ResourceConflict(format!(
        "Failed to create function url config for [functionArn = {arn}]. Error message:  FunctionUrlConfig exists for \
         this Lambda function"
    ))
}

fn missing() -> ServiceError {
    ServiceError::ResourceNotFound("The resource you requested does not exist.".to_owned())
}
