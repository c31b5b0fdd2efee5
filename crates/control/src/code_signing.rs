//! What the operations on code signing configurations mean: create, read, list, change, delete.
//!
//! All changes take turns, those of one configuration and those of who uses it. Which function has which, and what that
//! means for its code, is [`crate::function`]'s matter. Transport-free.
//!
//! Source: Lambda API reference, `CreateCodeSigningConfig` and its kin.

use std::sync::Arc;

use model::arn::Scope;
use model::code_signing::{CodeSigningConfig, CodeSigningId, CodeSigningPolicy};
use model::error::ServiceError;
use model::limits;
use model::name::FunctionName;
use model::port::Pending;

use crate::durable::{not_written, to_the_end};
use crate::function::Functions;
use crate::marker;
use crate::table::Entry;
use crate::tags::{TagChange, Tagged, Tags, check_labels};

/// The configurations of all accounts. Clones share them.
#[derive(Clone)]
pub struct CodeSigning {
    functions: Functions,
}

/// What is wanted of a configuration; what is absent stays, or has its default.
#[derive(Debug, Clone, Default)]
pub struct ConfigChange {
    /// Free text.
    pub description: Option<String>,
    /// ARNs of signing profile versions; they replace the previous ones.
    pub publishers: Option<Vec<String>>,
    /// What happens to code that none of them signed.
    pub policy: Option<CodeSigningPolicy>,
}

/// One page of configurations.
pub struct ConfigPage {
    /// By id.
    pub configs: Vec<Arc<CodeSigningConfig>>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

/// One page of the functions that have a configuration.
pub struct UserPage {
    /// Their ARNs, by name.
    pub arns: Vec<String>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
}

impl CodeSigning {
    /// The configurations that these functions use.
    #[must_use]
    pub fn new(functions: Functions) -> Self {
        Self { functions }
    }

    /// Creates a configuration.
    ///
    /// # Errors
    /// `InvalidParameterValue` for what is no signing profile version, or no tag.
    pub async fn create(
        &self,
        caller: &Scope,
        change: ConfigChange,
        tags: Tags,
    ) -> Result<Arc<CodeSigningConfig>, ServiceError> {
        check_labels(&tags)?;
        let parts = self.functions.parts();
        let mut random = [0; 16];
        parts.entropy.fill(&mut random);
        let config = change.apply(CodeSigningConfig {
            id: CodeSigningId {
                scope: caller.clone(),
                id: format!("csc-{}", letters(u128::from_be_bytes(random))),
            },
            description: String::new(),
            publishers: Vec::new(),
            policy: CodeSigningPolicy::default(),
            last_modified: parts.clock.now(),
            tags,
        })?;
        self.in_turn(async move |signing| signing.put(config, None).await).await
    }

    /// One configuration.
    ///
    /// # Errors
    /// `ResourceNotFound`.
    pub fn get(&self, caller: &Scope, arn: &str) -> Result<Arc<CodeSigningConfig>, ServiceError> {
        self.find(caller, arn).map(|entry| entry.value)
    }

    /// Changes a configuration, for code that is deployed from then on.
    ///
    /// # Errors
    /// `ResourceNotFound`; `InvalidParameterValue` for what is no signing profile version.
    pub async fn update(
        &self,
        caller: &Scope,
        arn: &str,
        change: ConfigChange,
    ) -> Result<Arc<CodeSigningConfig>, ServiceError> {
        let (caller, arn) = (caller.clone(), arn.to_owned());
        self.in_turn(async move |signing| {
            let entry = signing.find(&caller, &arn)?;
            let mut config = change.apply(CodeSigningConfig::clone(&entry.value))?;
            config.last_modified = signing.functions.parts().clock.now();
            signing.put(config, Some(entry)).await
        })
        .await
    }

    /// Deletes a configuration that no function has.
    ///
    /// # Errors
    /// `ResourceNotFound`; `ResourceConflict` while a function has it.
    pub async fn delete(&self, caller: &Scope, arn: &str) -> Result<(), ServiceError> {
        let (caller, arn) = (caller.clone(), arn.to_owned());
        self.in_turn(async move |signing| {
            let Entry { value, stored } = signing.find(&caller, &arn)?;
            let users = signing.functions.signed_with_config(&value.id);
            if let Some(first) = users.first() {
                return Err(ServiceError::ResourceConflict(format!(
                    "The code signing configuration {arn} is used by {} function(s), {} among them. Remove it from \
                     them first.",
                    users.len(),
                    first.arn()
                )));
            }
            let configs = &signing.functions.signing().configs;
            let removed = configs.remove(&caller, &value.id.id, stored).await;
            removed.map_err(|error| not_written(&arn, &error))
        })
        .await
    }

    /// The configurations of the caller's scope, a page at a time.
    ///
    /// # Errors
    /// `InvalidParameterValue` for a marker that was not given out here.
    pub fn list(
        &self,
        caller: &Scope,
        marker: Option<&str>,
        count_max: usize,
    ) -> Result<ConfigPage, ServiceError> {
        let after = marker.map(|marker| marker::decode(marker, |id| Some(id.to_owned()))).transpose()?;
        let count_max = count_max.clamp(1, limits::LIST_PAGE_MAX);
        let configs = &self.functions.signing().configs;
        let (configs, has_more) = configs.page(caller, after.as_deref(), count_max, |_| true);
        let next = configs.last().filter(|_| has_more).map(|last| marker::encode(&last.id.id));
        Ok(ConfigPage { configs, next })
    }

    /// The functions that have a configuration, a page at a time.
    ///
    /// # Errors
    /// `ResourceNotFound`; `InvalidParameterValue` for a marker that was not given out here.
    pub fn users(
        &self,
        caller: &Scope,
        arn: &str,
        marker: Option<&str>,
        count_max: usize,
    ) -> Result<UserPage, ServiceError> {
        let config = self.get(caller, arn)?;
        let parse = |name: &str| FunctionName::parse(name).ok();
        let after = marker.map(|marker| marker::decode(marker, parse)).transpose()?;
        let count_max = count_max.clamp(1, limits::LIST_PAGE_MAX);
        let users = self.functions.signed_with_config(&config.id).into_iter();
        let mut users = users.filter(|id| after.as_ref().is_none_or(|after| id.name > *after));
        let page: Vec<_> = users.by_ref().take(count_max).collect();
        let next = page.last().filter(|_| users.next().is_some());
        let next = next.map(|last| marker::encode(last.name.as_str()));
        Ok(UserPage { arns: page.iter().map(|id| id.arn().to_string()).collect(), next })
    }

    fn find(&self, caller: &Scope, arn: &str) -> Result<Entry<CodeSigningConfig>, ServiceError> {
        let id = CodeSigningId::parse(arn, caller);
        let entry = id.and_then(|id| self.functions.signing().configs.get(&id.scope, &id.id));
        entry.ok_or_else(|| {
            let message = format!("The Lambda code signing configuration {arn} can not be found.");
            ServiceError::ResourceNotFound(message)
        })
    }

    async fn put(
        &self,
        config: CodeSigningConfig,
        before: Option<Entry<CodeSigningConfig>>,
    ) -> Result<Arc<CodeSigningConfig>, ServiceError> {
        let subject = config.id.clone();
        let kept = self.functions.signing().configs.put(config, before.map(|entry| entry.stored)).await;
        kept.map_err(|error| not_written(subject, &error))
    }

    /// Carries out a change in turn with all others, to its end even if the caller stops waiting.
    async fn in_turn<T: Send + 'static, F>(
        &self,
        change: impl FnOnce(CodeSigning) -> F + Send + 'static,
    ) -> Result<T, ServiceError>
    where
        F: Future<Output = Result<T, ServiceError>> + Send,
    {
        let signing = self.clone();
        to_the_end(async move {
            let functions = signing.functions.clone();
            let _turn = functions.signing().turn.lock().await;
            change(signing).await
        })
        .await
    }
}

impl Tagged for CodeSigning {
    fn tags(&self, scope: &Scope, id: &str) -> Result<Tags, ServiceError> {
        Ok(self.get(scope, &arn_of(scope, id))?.tags.clone())
    }

    fn change_tags(
        &self,
        scope: &Scope,
        id: &str,
        change: TagChange,
    ) -> Pending<'_, Result<(), ServiceError>> {
        let (scope, arn) = (scope.clone(), arn_of(scope, id));
        Box::pin(self.in_turn(async move |signing| {
            let entry = signing.find(&scope, &arn)?;
            let mut config = CodeSigningConfig::clone(&entry.value);
            config.tags = change.apply(config.tags)?;
            signing.put(config, Some(entry)).await.map(drop)
        }))
    }
}

impl ConfigChange {
    fn apply(self, mut config: CodeSigningConfig) -> Result<CodeSigningConfig, ServiceError> {
        config.description = self.description.unwrap_or(config.description);
        config.policy = self.policy.unwrap_or(config.policy);
        config.publishers = self.publishers.unwrap_or(config.publishers);
        match config.publishers.iter().find(|arn| !is_signing_profile(arn)) {
            None => Ok(config),
            Some(arn) => {
                let shown: String = arn.chars().take(200).collect();
                let message = format!("{shown} is not the ARN of a signing profile version of AWS Signer.");
                Err(ServiceError::InvalidParameterValue(message))
            }
        }
    }
}

/// `arn:aws:signer:REGION:ACCOUNT:/signing-profiles/NAME/VERSION`.
fn is_signing_profile(arn: &str) -> bool {
    let mut parts = arn.splitn(6, ':').skip(2);
    let (service, profile) = (parts.next(), parts.nth(2));
    let names = profile.and_then(|profile| profile.strip_prefix("/signing-profiles/"));
    let is_named = |(name, version): (&str, &str)| !name.is_empty() && !version.is_empty();
    service == Some("signer") && names.and_then(|names| names.split_once('/')).is_some_and(is_named)
}

fn arn_of(scope: &Scope, id: &str) -> String {
    CodeSigningId { scope: scope.clone(), id: id.to_owned() }.to_string()
}

/// The last digits of a number that is written with lower-case letters and digits.
fn letters(mut random: u128) -> String {
    const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut letter = || {
        let digit = usize::try_from(random % 36).unwrap_or_default();
        random /= 36;
        char::from(ALPHABET[digit])
    };
    (0..CodeSigningId::RANDOM_CHARS).map(|_| letter()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publishers_are_signing_profile_versions() {
        let check = |rest: &str| is_signing_profile(&format!("arn:aws:{rest}"));
        assert!(check("signer:us-east-1:123456789012:/signing-profiles/p/aB3"));
        assert!(!check("signer:us-east-1:123456789012:/signing-profiles/p"));
        assert!(!check("signer:us-east-1:123456789012:/signing-profiles//1"));
        assert!(!check("lambda:us-east-1:123456789012:/signing-profiles/p/1"));
        assert!(!check("signer"));
    }

    #[test]
    fn ids_are_letters_and_digits() {
        for (random, expect) in
            [(0, "aaaaaaaaaaaaaaaaa"), (35 * 36 + 1, "b9aaaaaaaaaaaaaaa"), (u128::MAX, "ddz2w9rvq0x81yxzf")]
        {
            assert_eq!(letters(random), expect);
        }
    }
}
