//! Who else may use a queue, one statement at a time; the policy as a whole is an attribute.
//!
//! Source: SQS API Reference, `AddPermission`, `RemovePermission`.

use model::error::ServiceError;
use model::id::AccountId;
use policy::json::Json;
use policy::labelled;
use wire::sqs::{self as api, errors};

use super::error::{missing, value};
use super::{Caller, Sqs, name};

/// What others can be let do.
const ACTIONS: [&str; 9] = [
    "*",
    "SendMessage",
    "ReceiveMessage",
    "DeleteMessage",
    "ChangeMessageVisibility",
    "GetQueueAttributes",
    "GetQueueUrl",
    "ListDeadLetterSourceQueues",
    "PurgeQueue",
];
/// Actions of one statement, and statements of a policy (SQS API Reference, `AddPermission`; Developer Guide, "Quotas
/// related to policies").
const ACTIONS_MAX: usize = 7;
const STATEMENTS_MAX: usize = 20;

impl Sqs {
    pub(super) async fn add_permission(
        &self,
        caller: &Caller,
        input: &api::AddPermissionRequest,
    ) -> Result<(), ServiceError> {
        let id = name::of_url(&caller.scope, input.queue_url.as_deref().unwrap_or_default())?;
        let label = label(input.label.as_deref())?;
        let statement = statement(&id.arn(), label, input)?;
        self.change(&id, |queue| {
            let policy = queue.settings.policy.as_deref().and_then(read);
            let mut policy = policy.unwrap_or_else(|| empty(&id.arn()));
            let mut statements = labelled::take(&mut policy);
            if statements.iter().any(|known| labelled::is(known, label)) {
                return Err(value("Label", label, "Already exists."));
            }
            statements.push(statement);
            if statements.len() > STATEMENTS_MAX {
                return Err(errors::OVER_LIMIT.error(format!(
                    "{} statements were found, maximum allowed is {STATEMENTS_MAX}.",
                    statements.len()
                )));
            }
            queue.settings.policy = Some(labelled::put(policy, statements).to_string());
            Ok(())
        })
        .await
    }

    pub(super) async fn remove_permission(
        &self,
        caller: &Caller,
        input: &api::RemovePermissionRequest,
    ) -> Result<(), ServiceError> {
        let id = name::of_url(&caller.scope, input.queue_url.as_deref().unwrap_or_default())?;
        let label = label(input.label.as_deref())?;
        self.change(&id, |queue| {
            let none = || value("Label", label, "can't find label on existing policy.");
            let mut policy = queue.settings.policy.as_deref().and_then(read).ok_or_else(none)?;
            let mut statements = labelled::take(&mut policy);
            let before = statements.len();
            statements.retain(|known| !labelled::is(known, label));
            match (statements.len(), before) {
                (after, before) if after == before => return Err(none()),
                (0, _) => queue.settings.policy = None,
                _ => queue.settings.policy = Some(labelled::put(policy, statements).to_string()),
            }
            Ok(())
        })
        .await
    }
}

fn label(label: Option<&str>) -> Result<&str, ServiceError> {
    let label = label.unwrap_or_default();
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if label.is_empty() {
        return Err(missing("Label"));
    }
    if label.len() > 80 || !label.bytes().all(is_legal) {
        let reason = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length";
        return Err(value("Label", label, reason));
    }
    Ok(label)
}

fn statement(arn: &str, label: &str, input: &api::AddPermissionRequest) -> Result<Json, ServiceError> {
    let accounts = input.aws_account_ids.as_deref().unwrap_or_default();
    let actions = input.actions.as_deref().unwrap_or_default();
    if accounts.is_empty() {
        return Err(missing("AWSAccountIds"));
    }
    if actions.is_empty() {
        return Err(missing("Actions"));
    }
    if actions.len() > ACTIONS_MAX {
        return Err(errors::OVER_LIMIT
            .error(format!("{} Actions were found, maximum allowed is {ACTIONS_MAX}.", actions.len())));
    }
    if let Some(action) = actions.iter().find(|action| !ACTIONS.contains(&action.as_str())) {
        let reason = "Only the queue owner is allowed to invoke this action.";
        return Err(value("ActionName", format!("SQS:{action}"), reason));
    }
    let mut principals = Vec::new();
    for account in accounts {
        if AccountId::parse(account).is_err() {
            return Err(value("PrincipalId", account, "Unable to verify."));
        }
        principals.push(Json::text(format!("arn:aws:iam::{account}:root")));
    }
    let actions = actions.iter().map(|action| Json::text(format!("SQS:{action}"))).collect();
    Ok(labelled::grant(label, principals, actions, arn))
}

fn empty(arn: &str) -> Json {
    Json::object([
        ("Version", Json::text("2008-10-17")),
        ("Id", Json::text(format!("{arn}/SQSDefaultPolicy"))),
        ("Statement", Json::List(Vec::new())),
    ])
}

fn read(policy: &str) -> Option<Json> {
    Json::parse(policy).ok()
}
