//! The policy of a function, of a version or of an alias: statement by statement, or whole.
//!
//! Source: Lambda API reference, `AddPermission`, `PutResourcePolicy` and their kin. What a policy may say is
//! [`crate::permission`]'s matter.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::arn::{FunctionId, Scope};
use model::delivery::Sender;
use model::error::ServiceError;
use model::name::{FunctionReference, Qualifier};
use model::resource_policy::FunctionPolicy;

use super::Functions;
use super::reference::{one_qualifier, own_id};
use crate::durable::not_written;
use crate::permission::{self, Granted, Permission};
use crate::policy::{Admission, Document, Need};

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
        let entry = self.0.attachments.policies.get(&id, &qualifier);
        entry.map(|entry| self.shown_policy(entry.value)).ok_or_else(permission::missing)
    }

    /// The policy as it is shown: it names users and roles where it is kept with their unique ids.
    fn shown_policy(&self, policy: Arc<FunctionPolicy>) -> Arc<FunctionPolicy> {
        let text = self.0.parts.iam.shown(&policy.text);
        if text == policy.text { policy } else { Arc::new(FunctionPolicy { text, ..(*policy).clone() }) }
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
        kept.map(|policy| self.shown_policy(policy)).ok_or_else(permission::missing)
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
        self.in_turn(&id.clone(), async move |functions, live| {
            // Looked at again in turn: a policy must not outlive the version or alias that it belongs to.
            if let Ok(qualifier) = Qualifier::parse(&qualifier) {
                functions.check_qualifier(&live, &id, &qualifier)?;
            }
            functions.change_policy_now(id, qualifier, revision.as_deref(), &change).await
        })
        .await
    }

    async fn change_policy_now(
        &self,
        id: FunctionId,
        qualifier: String,
        revision: Option<&str>,
        change: Change<'_>,
    ) -> Result<Option<Arc<FunctionPolicy>>, ServiceError> {
        let table = &self.0.attachments.policies;
        let before = table.get(&id, &qualifier);
        permission::check_revision(before.as_ref().map(|entry| entry.value.revision), revision)?;
        let arn = id.arn().to_string();
        let failed = |error| not_written(arn, &error);
        match (change(before.as_ref().map(|entry| entry.value.text.as_str()))?, before) {
            (Some(text), before) => {
                let revision = self.new_revision();
                let policy = FunctionPolicy { function: id, qualifier, text, revision };
                table.put(policy, before.map(|entry| entry.stored)).await.map(Some).map_err(failed)
            }
            (None, Some(entry)) => {
                table.remove(&id, &qualifier, entry.stored).await.map(|()| None).map_err(failed)
            }
            (None, None) => Ok(None),
        }
    }
}
