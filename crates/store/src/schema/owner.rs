//! How records name what they belong to, in a field of their own: a record says all of its key, so that one filed
//! under another key is found out.

use model::arn::{FunctionId, Scope};
use model::id::{AccountId, Region};
use model::name::FunctionName;
use serde::{Deserialize, Serialize};

use super::SchemaError;

/// A function.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfFunction {
    account: String,
    region: String,
    function: String,
}

/// An account and a region.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OfScope {
    account: String,
    region: String,
}

impl From<&FunctionId> for OfFunction {
    fn from(id: &FunctionId) -> Self {
        Self {
            account: id.scope.account.to_string(),
            region: id.scope.region.to_string(),
            function: id.name.to_string(),
        }
    }
}

impl From<&Scope> for OfScope {
    fn from(scope: &Scope) -> Self {
        Self { account: scope.account.to_string(), region: scope.region.to_string() }
    }
}

pub(super) fn function_of(of: &OfFunction) -> Result<FunctionId, SchemaError> {
    let illegal = |_| SchemaError::IllegalValue { field: "of.function" };
    let name = FunctionName::parse(&of.function).map_err(illegal)?;
    Ok(FunctionId { scope: scope(&of.account, &of.region)?, name })
}

pub(super) fn scope_of(of: &OfScope) -> Result<Scope, SchemaError> {
    scope(&of.account, &of.region)
}

pub(super) fn account_of(account: &str) -> Result<AccountId, SchemaError> {
    AccountId::parse(account).map_err(|_| SchemaError::IllegalValue { field: "account" })
}

fn scope(account: &str, region: &str) -> Result<Scope, SchemaError> {
    let illegal = |_| SchemaError::IllegalValue { field: "of.region" };
    Ok(Scope { account: account_of(account)?, region: Region::parse(region).map_err(illegal)? })
}

/// A function for golden records.
#[cfg(test)]
pub(super) fn sample_function() -> FunctionId {
    FunctionId { scope: sample_scope(), name: FunctionName::parse("resize").unwrap() }
}

/// A scope for golden records.
#[cfg(test)]
pub(super) fn sample_scope() -> Scope {
    Scope {
        account: AccountId::parse("123456789012").unwrap(),
        region: Region::parse("eu-central-1").unwrap(),
    }
}
