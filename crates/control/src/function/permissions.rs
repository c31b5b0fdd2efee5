//! The policy of a function, of a version or of an alias: statement by statement, or whole.
//!
//! It has its holder's revision, as at Lambda: each change of it is one of the holder's, in the same durable write.
//!
//! Source: Lambda API reference, `AddPermission`, `PutResourcePolicy` and their kin. What a policy may say is
//! [`crate::permission`]'s matter.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::alias::Alias;
use model::arn::{FunctionId, Scope};
use model::delivery::Sender;
use model::error::ServiceError;
use model::function::Function;
use model::id::RevisionId;
use model::name::{FunctionReference, Qualifier, Version};
use model::resource_policy::FunctionPolicy;
use store::records::{Revision, Write};

use super::Functions;
use super::live::{Live, Published};
use super::reference::{one_qualifier, own_id};
use super::refusal::not_found;
use super::registry::Claim;
use crate::durable::{not_written, to_the_end};
use crate::permission::{self, Granted, Permission};
use crate::policy::{Admission, Document, Need};
use crate::table::Entry;

/// What everybody may be let in to do.
const HARMLESS: &[&str] = &["lambda:InvokeFunction", "lambda:InvokeFunctionUrl"];

/// What becomes of the text of a policy: another text, or none.
type Change<'a> = &'a (dyn Fn(Option<&str>) -> Result<Option<String>, ServiceError> + Send + Sync);

/// A function, or one version or alias of it, that has a policy or may get one.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The function.
    pub reference: &'a FunctionReference,
    /// The version or alias, if it is not in the reference.
    pub qualifier: Option<&'a Qualifier>,
}

impl Functions {
    /// Adds a statement; gives it as it was added.
    ///
    /// # Errors
    /// `ResourceNotFound`, `ResourceConflict`, `InvalidParameterValue`, `PolicyLengthExceeded`, `PublicPolicy`,
    /// `PreconditionFailed`.
    pub async fn add_permission(
        &self,
        caller: &Scope,
        place: Place<'_>,
        permission: Permission,
        revision: Option<String>,
    ) -> Result<String, ServiceError> {
        let (id, qualifier) = self.policy_place(caller, place)?;
        let resource = match qualifier.as_str() {
            "" => id.arn().to_string(),
            qualifier => format!("{}:{qualifier}", id.arn()),
        };
        let statement = permission.statement(&resource)?;
        let shown = statement.to_string();
        let iam = self.0.parts.iam.clone();
        self.change_policy(id, qualifier, revision, move |text| {
            let changed = permission::with(text, &permission.sid, statement.clone())?;
            permission::check_public(&changed, HARMLESS)?;
            Ok(Some(iam.meaning(&changed)))
        })
        .await?;
        Ok(shown)
    }

    /// Removes a statement.
    ///
    /// # Errors
    /// `ResourceNotFound`, `PreconditionFailed`.
    pub async fn remove_permission(
        &self,
        caller: &Scope,
        place: Place<'_>,
        sid: String,
        revision: Option<String>,
    ) -> Result<(), ServiceError> {
        let (id, qualifier) = self.policy_place(caller, place)?;
        let change = move |text: Option<&str>| match text {
            Some(text) => permission::without(Some(text), &sid),
            None => Err(ServiceError::ResourceNotFound(
                "No policy is associated with the given resource.".to_owned(),
            )),
        };
        self.change_policy(id, qualifier, revision, change).await.map(drop)
    }

    /// What a statement grants that is about to be removed; nothing if there is none.
    #[must_use]
    pub fn granted(&self, caller: &Scope, place: Place<'_>, sid: &str) -> Granted {
        self.policy(caller, place).map(|policy| permission::granted(&policy.text, sid)).unwrap_or_default()
    }

    /// The policy.
    ///
    /// # Errors
    /// `ResourceNotFound` where there is none.
    pub fn policy(&self, caller: &Scope, place: Place<'_>) -> Result<Arc<FunctionPolicy>, ServiceError> {
        let (id, qualifier) = self.policy_place(caller, place)?;
        let entry = self.0.attachments.policies.get(&id, &qualifier).ok_or_else(permission::missing)?;
        let live = self.0.registry.get(&id).ok_or_else(permission::missing)?;
        let revision = self.holder(&live, &qualifier)?.revision();
        Ok(self.shown_policy(&entry.value, revision))
    }

    /// The policy as it is shown: it names users and roles where it is kept with their unique ids.
    fn shown_policy(&self, policy: &FunctionPolicy, revision: RevisionId) -> Arc<FunctionPolicy> {
        let text = self.0.parts.iam.shown(&policy.text);
        Arc::new(FunctionPolicy { text, revision, ..policy.clone() })
    }

    /// Replaces the whole policy.
    ///
    /// # Errors
    /// As [`Functions::add_permission`].
    pub async fn put_policy(
        &self,
        caller: &Scope,
        place: Place<'_>,
        text: String,
        revision: Option<String>,
    ) -> Result<Arc<FunctionPolicy>, ServiceError> {
        let (id, qualifier) = self.policy_place(caller, place)?;
        let text = permission::checked(text)?;
        permission::check_public(&text, HARMLESS)?;
        let text = self.0.parts.iam.meaning(&text);
        let kept = self.change_policy(id, qualifier, revision, move |_| Ok(Some(text.clone()))).await?;
        kept.map(|policy| self.shown_policy(&policy, policy.revision)).ok_or_else(permission::missing)
    }

    /// Removes the whole policy.
    ///
    /// # Errors
    /// `ResourceNotFound`, `PreconditionFailed`.
    pub async fn delete_policy(
        &self,
        caller: &Scope,
        place: Place<'_>,
        revision: Option<String>,
    ) -> Result<(), ServiceError> {
        let (id, qualifier) = self.policy_place(caller, place)?;
        let change = |text: Option<&str>| text.map(|_| None).ok_or_else(permission::missing);
        self.change_policy(id, qualifier, revision, change).await.map(drop)
    }

    /// What the policy of a function says, or that of a version or an alias, read; for whoever decides on a call. None is
    /// kept for `$LATEST`: the function's own is its.
    #[must_use]
    pub fn policy_document(&self, id: &FunctionId, qualifier: Option<&Qualifier>) -> Option<Arc<Document>> {
        let place =
            qualifier.filter(|it| **it != Qualifier::LATEST).map(ToString::to_string).unwrap_or_default();
        let entry = self.0.attachments.policies.get(id, &place);
        entry.map(|entry| self.0.documents.read(entry.value.revision, &entry.value.text))
    }

    /// The labels of a function, of which conditions may speak; none if there is no such function.
    #[must_use]
    pub fn tags_of(&self, id: &FunctionId) -> BTreeMap<String, String> {
        self.0.registry.look(id, |live| live.current.tags.to_map()).unwrap_or_default()
    }

    /// A right to a function, with what its policy (or that of one version or alias of it) and its labels say.
    #[must_use]
    pub fn need(&self, action: &str, id: &FunctionId, qualifier: Option<&Qualifier>) -> Need {
        let whole = id.arn().to_string();
        let mut need = Need::of(action, whole.as_str());
        need.policy = self.policy_document(id, qualifier);
        need.facts.set("lambda:FunctionArn", whole);
        need.facts.set_resource_tags(&self.tags_of(id));
        need
    }

    /// Whether a sender may invoke a function under the name by which it is to be invoked.
    #[must_use]
    pub fn lets_in(
        &self,
        admission: &dyn Admission,
        sender: &Sender,
        id: &FunctionId,
        qualifier: Option<&Qualifier>,
    ) -> bool {
        let mut need = self.need("lambda:InvokeFunction", id, qualifier);
        // Whoever must not invoke the function must not do so by this name either.
        if qualifier == Some(&Qualifier::LATEST) && admission.denies(sender, &need) {
            return false;
        }
        if let Some(qualifier) = qualifier {
            need.resource = id.qualified_arn(qualifier).to_string();
        }
        admission.admits(sender, &need)
    }

    fn policy_place(&self, caller: &Scope, place: Place<'_>) -> Result<(FunctionId, String), ServiceError> {
        let id = own_id(caller, place.reference)?;
        let qualifier = one_qualifier(place.reference, place.qualifier)?;
        if qualifier == Some(&Qualifier::LATEST) {
            let message = "We currently do not support adding policies for $LATEST.";
            return Err(ServiceError::InvalidParameterValue(message.to_owned()));
        }
        self.get(caller, place.reference, place.qualifier)?;
        Ok((id, qualifier.map(ToString::to_string).unwrap_or_default()))
    }

    /// Changes a policy in turn with all other changes of its function; gives it as it is then, if it is.
    async fn change_policy(
        &self,
        id: FunctionId,
        qualifier: String,
        revision: Option<String>,
        change: impl Fn(Option<&str>) -> Result<Option<String>, ServiceError> + Send + Sync + 'static,
    ) -> Result<Option<Arc<FunctionPolicy>>, ServiceError> {
        let functions = self.clone();
        to_the_end(async move {
            let claim = functions.claim_in_turn(&id).await?;
            functions.change_policy_now(claim, qualifier, revision.as_deref(), &change).await
        })
        .await
    }

    async fn change_policy_now(
        &self,
        claim: Claim,
        qualifier: String,
        revision: Option<&str>,
        change: Change<'_>,
    ) -> Result<Option<Arc<FunctionPolicy>>, ServiceError> {
        // Looked at in turn: a policy must not outlive the version or alias that it belongs to.
        let holder = self.holder(&claim.live, &qualifier)?;
        permission::check_revision(Some(holder.revision()), revision)?;
        let (id, table) = (claim.live.current.id.clone(), &self.0.attachments.policies);
        let before = table.get(&id, &qualifier);
        let text = change(before.as_ref().map(|entry| entry.value.text.as_str()))?;
        let revision = self.new_revision();
        let policy = text.map(|text| {
            let (function, qualifier) = (id.clone(), qualifier.clone());
            Arc::new(FunctionPolicy { function, qualifier, text, revision })
        });
        let write = match (&policy, &before) {
            (Some(policy), before) => table.keep(policy, before.as_ref().map(|entry| entry.stored)),
            (None, Some(entry)) => table.removal(&id, &qualifier, entry.stored),
            (None, None) => return Ok(None),
        };
        let holder = holder.at(revision);
        let stored = self.0.parts.records.commit(vec![write, self.keep_holder(&claim.live, &holder)]).await;
        let stored = stored.map_err(|error| not_written(id.arn(), &error))?;
        let [of_policy, of_holder] = stored.as_slice() else { return Err(super::lost_count()) };
        match &policy {
            Some(policy) => table.install(Arc::clone(policy), *of_policy),
            None => table.forget_one(&id, &qualifier),
        }
        self.install_holder(claim, holder, *of_holder);
        Ok(policy)
    }

    /// Whose policy it is; `$LATEST` where no qualifier is named.
    fn holder(&self, live: &Live, qualifier: &str) -> Result<Holder, ServiceError> {
        let Ok(qualifier) = Qualifier::parse(qualifier) else {
            return Ok(Holder::Version(Arc::clone(&live.current)));
        };
        let id = &live.current.id;
        let holder = match &qualifier {
            Qualifier::Version(version) => live.version(*version).cloned().map(Holder::Version),
            Qualifier::Alias(name) => self.0.attachments.aliases.get(id, name).map(Holder::Alias),
        };
        holder.ok_or_else(|| not_found(id, Some(&qualifier)))
    }

    fn keep_holder(&self, live: &Live, holder: &Holder) -> Write {
        match holder {
            Holder::Alias(alias) => self.0.attachments.aliases.keep(&alias.value, Some(alias.stored)),
            Holder::Version(function) => {
                let published = live.published(function.version);
                let before = published.map_or(live.stored, |published| published.stored);
                self.0.parts.records.keep(&**function, Some(before))
            }
        }
    }

    /// Shows a holder that has become durable.
    fn install_holder(&self, claim: Claim, holder: Holder, stored: Revision) {
        let live = claim.live.clone();
        match holder {
            Holder::Alias(alias) => self.0.attachments.aliases.install(alias.value, stored),
            Holder::Version(function) if function.version == Version::Latest => {
                let serving = live.serving.clone();
                claim.install(live.with_current(function, serving, stored));
            }
            Holder::Version(function) => claim.install(live.with_versions([Published { function, stored }])),
        }
    }
}

/// What a policy belongs to, and whose revision it has.
enum Holder {
    /// `$LATEST` for the function as a whole, or a published version.
    Version(Arc<Function>),
    /// An alias.
    Alias(Entry<Alias>),
}

impl Holder {
    fn revision(&self) -> RevisionId {
        match self {
            Self::Version(function) => function.revision,
            Self::Alias(alias) => alias.value.revision,
        }
    }

    /// The same with a new revision. Its environments stay.
    fn at(self, revision: RevisionId) -> Self {
        match self {
            Self::Version(function) => Self::Version(Arc::new(Function { revision, ..(*function).clone() })),
            Self::Alias(Entry { value, stored }) => {
                Self::Alias(Entry { value: Arc::new(Alias { revision, ..(*value).clone() }), stored })
            }
        }
    }
}
