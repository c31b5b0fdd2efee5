//! Policies of resources as operations change them: statements added and removed one by one, or the whole replaced.
//!
//! Pure: texts in, texts out, and the refusals in Lambda's words. One policy underlies both forms. Where the texts are
//! kept is [`crate::function`]'s and [`crate::layer`]'s matter.
//! Source: Lambda API reference, `AddPermission`, `PutResourcePolicy`, `AddLayerVersionPermission` and their kin.

mod documents;
mod statement;

use model::error::ServiceError;
use model::id::RevisionId;
use model::limits;

pub(crate) use documents::Documents;
pub use statement::{Granted, LayerPermission, Permission};

use crate::policy::json::Json;
use crate::policy::{Document, Kind, labelled};

/// A policy with one more statement.
///
/// # Errors
/// `ResourceConflict` if its id is taken; `PolicyLengthExceeded`; `PublicPolicy`.
pub(crate) fn with(policy: Option<&str>, sid: &str, statement: Json) -> Result<String, ServiceError> {
    let mut json = match policy {
        Some(text) => read(text)?,
        None => Json::object([
            ("Version", Json::text("2012-10-17")),
            ("Id", Json::text("default")),
            ("Statement", Json::List(Vec::new())),
        ]),
    };
    let mut statements = labelled::take(&mut json);
    if statements.iter().any(|known| labelled::is(known, sid)) {
        return Err(ServiceError::ResourceConflict(format!(
            "The statement id ({sid}) provided already exists. Please provide a new statement id, or remove the \
             existing statement."
        )));
    }
    statements.push(statement);
    checked(labelled::put(json, statements).to_string())
}

/// What the statement of this id grants; nothing if there is none.
pub(crate) fn granted(policy: &str, sid: &str) -> Granted {
    let statements = Json::parse(policy).map(|mut json| labelled::take(&mut json)).unwrap_or_default();
    statements.iter().find(|known| labelled::is(known, sid)).map(Granted::of).unwrap_or_default()
}

/// A policy without the statement of this id; nothing if none is left.
///
/// # Errors
/// `ResourceNotFound` if there is no such statement.
pub(crate) fn without(policy: Option<&str>, sid: &str) -> Result<Option<String>, ServiceError> {
    let missing =
        || ServiceError::ResourceNotFound(format!("Statement {sid} is not found in resource policy."));
    let mut json = read(policy.ok_or_else(missing)?)?;
    let mut statements = labelled::take(&mut json);
    let before = statements.len();
    statements.retain(|known| !labelled::is(known, sid));
    match statements.len() {
        0 => Ok(None),
        left if left == before => Err(missing()),
        _ => Ok(Some(labelled::put(json, statements).to_string())),
    }
}

/// A whole policy, which may become that of a resource.
///
/// # Errors
/// `InvalidParameterValue` for what is no policy of a resource; `PolicyLengthExceeded`; `PublicPolicy`.
pub(crate) fn checked(text: String) -> Result<String, ServiceError> {
    if text.len() > limits::RESOURCE_POLICY_BYTES_MAX {
        return Err(ServiceError::PolicyLengthExceeded(format!(
            "The final policy size ({}) is bigger than the limit ({}).",
            text.len(),
            limits::RESOURCE_POLICY_BYTES_MAX
        )));
    }
    let document = Document::parse(&text, Kind::Resource)
        .map_err(|malformed| ServiceError::InvalidParameterValue(malformed.to_string()))?;
    if document.statements().is_empty() {
        let message = "The policy must have at least one statement.";
        return Err(ServiceError::InvalidParameterValue(message.to_owned()));
    }
    Ok(text)
}

/// Everybody may be let in to invoke a function or to read a layer, and to nothing else.
///
/// # Errors
/// `PublicPolicy`.
pub(crate) fn check_public(text: &str, harmless: &[&str]) -> Result<(), ServiceError> {
    let json = read(text)?;
    let document = Document::read(&json, Kind::Resource).map_err(|_| unreadable())?;
    let given = json.get("Statement").map(Json::items).unwrap_or_default();
    let is_harmless = |statement: &Json| {
        let actions = statement.get("Action").map(Json::items).unwrap_or_default();
        let is_harmless = |action: &Json| {
            let action = action.as_str().unwrap_or_default();
            harmless.iter().any(|harmless| harmless.eq_ignore_ascii_case(action))
        };
        !actions.is_empty() && actions.iter().all(is_harmless)
    };
    let mut both = document.statements().iter().zip(given);
    if both.any(|(statement, given)| statement.is_public() && !is_harmless(given)) {
        return Err(ServiceError::PublicPolicy(format!(
            "The resource-based policy would grant public access to the resource, which is allowed for {} only.",
            harmless.join(" and ")
        )));
    }
    Ok(())
}

/// Whether the policy is still the one that the caller has read.
///
/// # Errors
/// `PreconditionFailed`.
pub(crate) fn check_revision(current: Option<RevisionId>, asked: Option<&str>) -> Result<(), ServiceError> {
    match asked {
        Some(asked) if current.map(|revision| revision.to_string()).as_deref() != Some(asked) => {
            Err(ServiceError::PreconditionFailed(
                "The Revision Id provided does not match the latest Revision Id. Call the GetPolicy API to retrieve \
                 the latest Revision Id"
                    .to_owned(),
            ))
        }
        _ => Ok(()),
    }
}

/// There is no policy.
pub(crate) fn missing() -> ServiceError {
    ServiceError::ResourceNotFound("The resource you requested does not exist.".to_owned())
}

fn read(text: &str) -> Result<Json, ServiceError> {
    Json::parse(text).map_err(|_| unreadable())
}

/// What was checked before it was kept cannot be read: not reached unless it was changed by hand.
fn unreadable() -> ServiceError {
    ServiceError::InvalidParameterValue("The policy of the resource cannot be read; replace it.".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(sid: &str) -> Json {
        Json::object([
            ("Sid", Json::text(sid)),
            ("Effect", Json::text("Allow")),
            ("Principal", Json::text("*")),
            ("Action", Json::text("lambda:InvokeFunction")),
            ("Resource", Json::text("*")),
        ])
    }

    #[test]
    fn statements_come_and_go() {
        let first = with(None, "a", one("a")).expect("a first statement");
        let statement = one("a").to_string();
        assert_eq!(first, format!(r#"{{"Version":"2012-10-17","Id":"default","Statement":[{statement}]}}"#));
        let taken = with(Some(&first), "a", one("a")).expect_err("the id is taken");
        assert!(matches!(taken, ServiceError::ResourceConflict(_)), "{taken}");
        let both = with(Some(&first), "b", one("b")).expect("a second statement");
        assert_eq!(without(Some(&both), "b"), Ok(Some(first.clone())));
        assert_eq!(without(Some(&first), "a"), Ok(None));
        let missing = without(Some(&first), "c").expect_err("no such statement");
        assert_eq!(missing.to_string(), "Statement c is not found in resource policy.");
        assert!(without(None, "a").is_err());
    }

    #[test]
    fn a_single_statement_is_joined_by_others() {
        let single = format!(r#"{{"Statement":{}}}"#, one("a"));
        let both = with(Some(&single), "b", one("b")).expect("a second statement");
        assert_eq!(both, format!(r#"{{"Statement":[{},{}]}}"#, one("a"), one("b")));
    }

    #[test]
    fn policies_are_bounded() {
        let mut policy = None;
        let refused = (0..1_000).find_map(|number: u32| {
            let sid = number.to_string();
            match with(policy.as_deref(), &sid, one(&sid)) {
                Ok(longer) => {
                    policy = Some(longer);
                    None
                }
                Err(error) => Some(error),
            }
        });
        let Some(ServiceError::PolicyLengthExceeded(message)) = refused else { panic!("{refused:?}") };
        assert!(message.ends_with("is bigger than the limit (20480)."), "{message}");
    }

    #[test]
    fn everybody_may_only_invoke() {
        let check = |statement: &str, expect: bool| {
            let text = format!(r#"{{"Version":"2012-10-17","Statement":{statement}}}"#);
            assert_eq!(check_public(&text, &["lambda:InvokeFunction"]).is_ok(), expect, "{statement}");
        };
        let public = |action: &str| {
            format!(r#"{{"Effect":"Allow","Principal":{{"AWS":"*"}},{action},"Resource":"*"}}"#)
        };
        check(&public(r#""Action":"lambda:InvokeFunction""#), true);
        check(&public(r#""Action":["lambda:invokefunction"]"#), true);
        check(&public(r#""Action":"lambda:*""#), false);
        check(&public(r#""Action":["lambda:InvokeFunction","lambda:GetFunction"]"#), false);
        check(&public(r#""NotAction":"lambda:DeleteFunction""#), false);
        check(
            &public(r#""Action":"*","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1234567890"}}"#),
            true,
        );
        check(r#"{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}"#, true);
        check(r#"{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"*","Resource":"*"}"#, true);
    }
}
