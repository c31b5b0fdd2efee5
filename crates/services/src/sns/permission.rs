//! Who else may use a topic: its policy, given whole as an attribute or one statement at a time.
//!
//! A topic without a policy of its own shows AWS's default, which lets in nobody but its owner, whom nobody has to let in.
//! Source: SNS API Reference, `AddPermission`, `RemovePermission`; SNS Developer Guide, "Overview of managing access".

use model::error::ServiceError;
use model::id::AccountId;
use model::topic::{Topic, TopicId};
use policy::json::Json;
use policy::{Document, Kind, labelled};
use wire::sns as api;
use wire::sns::Operation;

use super::error::{invalid, no_topic};
use super::{Sns, name};

/// Longest policy (SNS Developer Guide, "Amazon SNS quotas": 30 KB).
const POLICY_BYTES_MAX: usize = 30_720;
/// The attribute.
pub(super) const POLICY: &str = "Policy";
/// What AWS's default policy names.
const DEFAULT_ACTIONS: [&str; 8] = [
    "SNS:GetTopicAttributes",
    "SNS:SetTopicAttributes",
    "SNS:AddPermission",
    "SNS:RemovePermission",
    "SNS:DeleteTopic",
    "SNS:Subscribe",
    "SNS:ListSubscriptionsByTopic",
    "SNS:Publish",
];

impl Sns {
    pub(super) async fn add_permission(&self, input: &api::AddPermissionInput) -> Result<(), ServiceError> {
        let id = name::topic("TopicArn", input.topic_arn.as_ref())?;
        let label = input.label.as_deref().unwrap_or_default();
        let statement = statement(&id, label, input)?;
        self.change_topic(&id, no_topic, |topic| {
            let mut policy = read(topic);
            let mut statements = labelled::take(&mut policy);
            if statements.iter().any(|known| labelled::is(known, label)) {
                return Err(invalid("Statement already exists"));
            }
            statements.push(statement);
            keep(topic, policy, statements)
        })
        .await
    }

    pub(super) async fn remove_permission(
        &self,
        input: &api::RemovePermissionInput,
    ) -> Result<(), ServiceError> {
        let id = name::topic("TopicArn", input.topic_arn.as_ref())?;
        let label = input.label.as_deref().unwrap_or_default();
        self.change_topic(&id, no_topic, |topic| {
            let mut policy = read(topic);
            let mut statements = labelled::take(&mut policy);
            let before = statements.len();
            statements.retain(|known| !labelled::is(known, label));
            if statements.len() == before { Ok(()) } else { keep(topic, policy, statements) }
        })
        .await
    }
}

/// The policy that a topic has where nobody has set one.
pub(super) fn default_policy(id: &TopicId) -> Json {
    let actions = DEFAULT_ACTIONS.map(Json::text).to_vec();
    let owner = Json::object([("AWS:SourceOwner", Json::text(id.scope.account.to_string()))]);
    let statement = Json::object([
        ("Sid", Json::text("__default_statement_ID")),
        ("Effect", Json::text("Allow")),
        ("Principal", Json::object([("AWS", Json::text("*"))])),
        ("Action", Json::List(actions)),
        ("Resource", Json::text(id.arn())),
        ("Condition", Json::object([("StringEquals", owner)])),
    ]);
    Json::object([
        ("Version", Json::text("2008-10-17")),
        ("Id", Json::text("__default_policy_ID")),
        ("Statement", Json::List(vec![statement])),
    ])
}

/// Whether a text can be a topic's policy.
pub(super) fn check(text: &str) -> Result<(), ServiceError> {
    if text.len() > POLICY_BYTES_MAX {
        return Err(invalid("Policy Reason: Policy exceeds the maximum size of 30 KB"));
    }
    let Ok(json) = Json::parse(text) else { return Err(invalid("Policy failed to parse JSON.")) };
    Document::read(&json, Kind::Resource).map_err(|error| invalid(format_args!("Policy Error: {error}")))?;
    let is_ours = |action: &Json| {
        let action = action.as_str().unwrap_or_default();
        action == "*" || action.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("sns:"))
    };
    let list = json.get("Statement").map(Json::items).unwrap_or_default();
    let actions = list.iter().flat_map(|it| [it.get("Action"), it.get("NotAction")]).flatten();
    if !actions.flat_map(Json::items).all(is_ours) {
        return Err(invalid("Policy statement action out of service scope!"));
    }
    Ok(())
}

fn statement(id: &TopicId, label: &str, input: &api::AddPermissionInput) -> Result<Json, ServiceError> {
    let accounts = input.aws_account_id.as_deref().unwrap_or_default();
    let actions = input.action_name.as_deref().unwrap_or_default();
    if label.is_empty() {
        return Err(invalid("Label Reason: no value for required parameter"));
    }
    if accounts.is_empty() || actions.is_empty() {
        return Err(invalid("AWSAccountId and ActionName must each have a member"));
    }
    let principal = |account: &String| match AccountId::parse(account) {
        Ok(account) => Ok(Json::text(format!("arn:aws:iam::{account}:root"))),
        Err(_) => Err(invalid("AWSAccountId")),
    };
    let principals = accounts.iter().map(principal).collect::<Result<Vec<_>, _>>()?;
    let is_action = |action: &str| action == "*" || Operation::ALL.iter().any(|known| known.name() == action);
    if !actions.iter().all(|action| is_action(action)) {
        return Err(invalid("Policy statement action out of service scope!"));
    }
    let actions = actions.iter().map(|action| Json::text(format!("SNS:{action}"))).collect();
    Ok(labelled::grant(label, principals, actions, &id.arn()))
}

fn keep(topic: &mut Topic, policy: Json, statements: Vec<Json>) -> Result<(), ServiceError> {
    if statements.is_empty() {
        topic.attributes.remove(POLICY);
        return Ok(());
    }
    let text = labelled::put(policy, statements).to_string();
    check(&text)?;
    topic.attributes.insert(POLICY.to_owned(), text);
    Ok(())
}

fn read(topic: &Topic) -> Json {
    let own = topic.attributes.get(POLICY).and_then(|text| Json::parse(text).ok());
    own.unwrap_or_else(|| default_policy(&topic.id))
}
