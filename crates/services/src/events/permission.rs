//! Who else may use a bus: its policy, given whole or one statement at a time.
//!
//! Source: EventBridge API Reference, `PutPermission`, `RemovePermission`.

use model::arn::Scope;
use model::bus::BusId;
use model::error::ServiceError;
use policy::json::Json;
use policy::{Document, Kind};
use wire::events::{self as api, errors};

use super::error::invalid;
use super::{Events, name};

/// Longest policy (EventBridge API Reference, `PutPermission`: 10 KB).
const POLICY_BYTES_MAX: usize = 10_240;
/// The one action that a statement can give leave for.
const ACTION: &str = "events:PutEvents";

impl Events {
    pub(super) async fn put_permission(
        &self,
        scope: &Scope,
        input: &api::PutPermissionRequest,
    ) -> Result<(), ServiceError> {
        let id = name::bus(scope, input.event_bus_name.as_deref())?;
        let changed = self.change_bus(&id, |bus| {
            let text = match &input.policy {
                Some(text) => text.clone(),
                None => with(bus.policy.as_deref(), statement(&id, input)?)?.to_string(),
            };
            if text.len() > POLICY_BYTES_MAX {
                let message = "The policy length exceeded the maximum allowed length.";
                return Err(errors::POLICY_LENGTH_EXCEEDED_EXCEPTION.error(message));
            }
            Document::parse(&text, Kind::Resource)
                .map_err(|error| invalid(format!("The provided policy is not valid. Reason: {error}")))?;
            bus.policy = Some(self.admission.meant(&text));
            Ok(())
        });
        changed.await.map(drop)
    }

    pub(super) async fn remove_permission(
        &self,
        scope: &Scope,
        input: &api::RemovePermissionRequest,
    ) -> Result<(), ServiceError> {
        let id = name::bus(scope, input.event_bus_name.as_deref())?;
        let changed = self.change_bus(&id, |bus| {
            if input.remove_all_permissions == Some(true) {
                bus.policy = None;
                return Ok(());
            }
            let sid = input.statement_id.as_deref().ok_or_else(|| missing("StatementId"))?;
            let none = |message: &str| errors::RESOURCE_NOT_FOUND_EXCEPTION.error(message);
            let text = bus.policy.as_deref().ok_or_else(|| none("EventBus does not have a policy."))?;
            let mut statements = statements(text);
            let before = statements.len();
            statements.retain(|statement| !is_named(statement, sid));
            if statements.len() == before {
                return Err(none("Statement with the provided id does not exist."));
            }
            bus.policy = (!statements.is_empty()).then(|| document(statements).to_string());
            Ok(())
        });
        changed.await.map(drop)
    }
}

fn missing(member: &str) -> ServiceError {
    invalid(format!("Parameter {member} must be specified."))
}

fn statement(bus: &BusId, input: &api::PutPermissionRequest) -> Result<Json, ServiceError> {
    let sid = input.statement_id.as_deref().ok_or_else(|| missing("StatementId"))?;
    let principal = input.principal.as_deref().ok_or_else(|| missing("Principal"))?;
    let action = input.action.as_deref().ok_or_else(|| missing("Action"))?;
    if action != ACTION {
        return Err(invalid("Provided value in parameter 'action' is not supported."));
    }
    let who = match principal {
        "*" => Json::text("*"),
        account => Json::object([("AWS", Json::text(format!("arn:aws:iam::{account}:root")))]),
    };
    let mut members = vec![
        ("Sid".to_owned(), Json::text(sid)),
        ("Effect".to_owned(), Json::text("Allow")),
        ("Principal".to_owned(), who),
        ("Action".to_owned(), Json::text(action)),
        ("Resource".to_owned(), Json::text(bus.arn())),
    ];
    if let Some(condition) = &input.condition {
        let (kind, key, value) =
            (condition.r#type.as_deref(), condition.key.as_deref(), condition.value.as_deref());
        let (Some("StringEquals"), Some("aws:PrincipalOrgID"), Some(value)) = (kind, key, value) else {
            return Err(invalid("Provided value in parameter 'condition' is not supported."));
        };
        let condition =
            Json::object([("StringEquals", Json::object([("aws:PrincipalOrgID", Json::text(value))]))]);
        members.push(("Condition".to_owned(), condition));
    }
    Ok(Json::Object(members))
}

/// A policy with one statement more, or in the place of the one of the same id.
fn with(policy: Option<&str>, statement: Json) -> Result<Json, ServiceError> {
    let mut statements = policy.map(statements).unwrap_or_default();
    let sid = statement.get("Sid").and_then(Json::as_str).unwrap_or_default().to_owned();
    statements.retain(|known| !is_named(known, &sid));
    statements.push(statement);
    Ok(document(statements))
}

fn is_named(statement: &Json, sid: &str) -> bool {
    statement.get("Sid").and_then(Json::as_str) == Some(sid)
}

fn statements(policy: &str) -> Vec<Json> {
    let document = Json::parse(policy).ok();
    document
        .as_ref()
        .and_then(|document| document.get("Statement"))
        .map(|list| list.items().to_vec())
        .unwrap_or_default()
}

fn document(statements: Vec<Json>) -> Json {
    Json::object([("Version", Json::text("2012-10-17")), ("Statement", Json::List(statements))])
}
