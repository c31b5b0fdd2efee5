//! One permission as it is asked for, and the statement that Lambda makes of it: the members and their order are
//! Lambda's own.

use std::fmt::Display;

use model::error::ServiceError;
use model::id::AccountId;

use crate::policy::json::Json;

/// What `AddPermission` asks for.
#[derive(Debug, Clone, Default)]
pub struct Permission {
    /// The statement's id.
    pub sid: String,
    /// `lambda:InvokeFunction`.
    pub action: String,
    /// A service, an account, an ARN, or `*`.
    pub principal: String,
    /// For services: the resource that calls.
    pub source_arn: Option<String>,
    /// For services: the account that owns it.
    pub source_account: Option<String>,
    /// For Alexa.
    pub event_source_token: Option<String>,
    /// Every account of an organization.
    pub organization: Option<String>,
    /// How the function's address lets callers in.
    pub url_auth: Option<String>,
    /// Only by the function's address.
    pub via_url: Option<bool>,
}

/// What conditions on removing a statement may speak of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Granted {
    /// Whom it lets in, as `AddPermission` would be asked: `lambda:Principal`.
    pub principal: Option<String>,
    /// For which kind of function URL: `lambda:FunctionUrlAuthType`.
    pub url_auth: Option<String>,
}

/// What `AddLayerVersionPermission` asks for.
#[derive(Debug, Clone, Default)]
pub struct LayerPermission {
    /// The statement's id.
    pub sid: String,
    /// `lambda:GetLayerVersion`.
    pub action: String,
    /// An account or `*`.
    pub principal: String,
    /// Every account of an organization.
    pub organization: Option<String>,
}

const URL_AUTH: &str = "lambda:FunctionUrlAuthType";
const URL_ACTION: &str = "lambda:InvokeFunctionUrl";

impl Permission {
    /// The statement about this resource.
    ///
    /// # Errors
    /// `InvalidParameterValue` for a principal that is none, or what does not go together.
    pub(crate) fn statement(&self, resource: &impl Display) -> Result<Json, ServiceError> {
        if self.url_auth.is_some() && self.action != URL_ACTION {
            return invalid("FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action");
        }
        if self.via_url.is_some() && self.action != "lambda:InvokeFunction" {
            return invalid("InvokedViaFunctionUrl is only supported for lambda:InvokeFunction action");
        }
        let equals = [
            ("AWS:SourceAccount", &self.source_account),
            ("lambda:EventSourceToken", &self.event_source_token),
            ("aws:PrincipalOrgID", &self.organization),
            (URL_AUTH, &self.url_auth),
        ];
        let equals: Vec<_> = equals
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), Json::text(value.as_ref()?))))
            .collect();
        let mut conditions = Vec::new();
        if !equals.is_empty() {
            conditions.push(("StringEquals".to_owned(), Json::Object(equals)));
        }
        if let Some(via_url) = self.via_url {
            let is = Json::object([("lambda:InvokedViaFunctionUrl", Json::text(via_url.to_string()))]);
            conditions.push(("Bool".to_owned(), is));
        }
        if let Some(arn) = &self.source_arn {
            conditions
                .push(("ArnLike".to_owned(), Json::object([("AWS:SourceArn", Json::text(arn.as_str()))])));
        }
        Ok(statement(&self.sid, principal(&self.principal)?, &self.action, resource, conditions))
    }
}

impl Granted {
    /// What a statement grants; nothing that stands in a list, which `AddPermission` makes none of.
    pub(crate) fn of(statement: &Json) -> Self {
        let principal = statement.get("Principal").and_then(|principal| {
            let named = principal.get("Service").or_else(|| principal.get("AWS")).unwrap_or(principal);
            let named = named.as_str()?;
            let account = named.strip_prefix("arn:aws:iam::").and_then(|rest| rest.strip_suffix(":root"));
            Some(account.unwrap_or(named).to_owned())
        });
        let equals = statement.get("Condition").and_then(|conditions| conditions.get("StringEquals"));
        let auth = equals.and_then(|equals| equals.get(URL_AUTH)).and_then(Json::as_str);
        Self { principal, url_auth: auth.map(str::to_owned) }
    }
}

impl LayerPermission {
    /// The statement about this version.
    ///
    /// # Errors
    /// As [`Permission::statement`].
    pub(crate) fn statement(&self, resource: &impl Display) -> Result<Json, ServiceError> {
        if self.organization.is_some() && self.principal != "*" {
            return invalid("An organization ID can be given together with the principal * only.");
        }
        let conditions = self.organization.as_ref().map(|organization| {
            let is = Json::object([("aws:PrincipalOrgID", Json::text(organization.as_str()))]);
            ("StringEquals".to_owned(), is)
        });
        let principal = principal(&self.principal)?;
        Ok(statement(&self.sid, principal, &self.action, resource, conditions.into_iter().collect()))
    }
}

fn statement(
    sid: &str,
    principal: Json,
    action: &str,
    resource: &impl Display,
    conditions: Vec<(String, Json)>,
) -> Json {
    let mut json = Json::object([
        ("Sid", Json::text(sid)),
        ("Effect", Json::text("Allow")),
        ("Principal", principal),
        ("Action", Json::text(action)),
        ("Resource", Json::text(resource.to_string())),
    ]);
    if let (false, Json::Object(members)) = (conditions.is_empty(), &mut json) {
        members.push(("Condition".to_owned(), Json::Object(conditions)));
    }
    json
}

fn principal(text: &str) -> Result<Json, ServiceError> {
    if text == "*" {
        return Ok(Json::text("*"));
    }
    if AccountId::parse(text).is_ok() {
        return Ok(Json::object([("AWS", Json::text(format!("arn:aws:iam::{text}:root")))]));
    }
    if text.starts_with("arn:") {
        return Ok(Json::object([("AWS", Json::text(text))]));
    }
    let is_service = text.contains('.')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
    if is_service {
        return Ok(Json::object([("Service", Json::text(text))]));
    }
    invalid("The provided principal was invalid. Please check the principal and try again.")
}

fn invalid<T>(message: &str) -> Result<T, ServiceError> {
    Err(ServiceError::InvalidParameterValue(message.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:lambda:us-east-1:123456789012:function:f";

    fn check(change: impl FnOnce(&mut Permission), principal: &str, condition: &str) {
        let mut permission = Permission {
            sid: "s".to_owned(),
            action: "lambda:InvokeFunction".to_owned(),
            principal: "s3.amazonaws.com".to_owned(),
            ..Permission::default()
        };
        change(&mut permission);
        let statement = permission.statement(&ARN).expect("a statement").to_string();
        let action = &permission.action;
        let expect = format!(
            r#"{{"Sid":"s","Effect":"Allow","Principal":{principal},"Action":"{action}","Resource":"{ARN}"{condition}}}"#
        );
        assert_eq!(statement, expect);
        let asked = Granted { principal: Some(permission.principal), url_auth: permission.url_auth };
        assert_eq!(Granted::of(&Json::parse(&statement).expect("JSON")), asked);
    }

    #[test]
    fn statements_are_written_as_lambda_writes_them() {
        let service = r#"{"Service":"s3.amazonaws.com"}"#;
        let some = |text: &str| Some(text.to_owned());
        check(|_| (), service, "");
        check(|asked| asked.principal = "*".to_owned(), r#""*""#, "");
        let account = r#"{"AWS":"arn:aws:iam::210987654321:root"}"#;
        check(|asked| asked.principal = "210987654321".to_owned(), account, "");
        let user = "arn:aws:iam::210987654321:user/u";
        check(|asked| asked.principal = user.to_owned(), &format!(r#"{{"AWS":"{user}"}}"#), "");
        check(
            |asked| {
                asked.source_account = some("210987654321");
                asked.source_arn = some("arn:aws:s3:::b");
            },
            service,
            r#","Condition":{"StringEquals":{"AWS:SourceAccount":"210987654321"},"ArnLike":{"AWS:SourceArn":"arn:aws:s3:::b"}}"#,
        );
        check(
            |asked| {
                asked.action = URL_ACTION.to_owned();
                asked.url_auth = some("NONE");
                asked.organization = some("o-1234567890");
            },
            service,
            r#","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-1234567890","lambda:FunctionUrlAuthType":"NONE"}}"#,
        );
        check(
            |asked| asked.via_url = Some(true),
            service,
            r#","Condition":{"Bool":{"lambda:InvokedViaFunctionUrl":"true"}}"#,
        );
    }

    #[test]
    fn what_does_not_go_together() {
        let refused = |permission: Permission| permission.statement(&ARN).expect_err("refused").to_string();
        let auth = Permission { url_auth: Some("NONE".to_owned()), ..Permission::default() };
        assert!(refused(auth).starts_with("FunctionUrlAuthType is only supported"));
        let nobody = Permission { principal: "nobody".to_owned(), ..Permission::default() };
        assert!(refused(nobody).starts_with("The provided principal was invalid"));
        let layer = LayerPermission {
            principal: "123456789012".to_owned(),
            organization: Some("o-1".to_owned()),
            ..LayerPermission::default()
        };
        assert!(layer.statement(&ARN).is_err());
    }
}
