//! From the text of a policy to the document that it is.
//!
//! Source: IAM User Guide, "Grammar of the IAM JSON policy language"; the words are IAM's.

use std::collections::HashSet;

use super::condition::Condition;
use super::json::Json;
use super::pattern::{ArnPattern, Pattern, Reading};
use super::principal::Principals;
use super::statement::{Document, Effect, Listed, Statement};
use super::{Kind, Malformed};

/// Far above every size that AWS allows for any policy.
const TEXT_BYTES_MAX: usize = 64 * 1024;

impl Document {
    /// Reads a policy of a kind.
    ///
    /// # Errors
    /// [`Malformed`] in IAM's words.
    pub fn parse(text: &str, kind: Kind) -> Result<Self, Malformed> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(Malformed::because("The policy is too large."));
        }
        let json = Json::parse(text).map_err(|_| Malformed::because("This policy contains invalid Json"))?;
        Self::read(&json, kind)
    }

    /// The same from JSON that was read already.
    ///
    /// # Errors
    /// As [`Document::parse`].
    pub fn read(json: &Json, kind: Kind) -> Result<Self, Malformed> {
        let Json::Object(members) = json else { return Err(Malformed::syntax()) };
        let mut variables = false;
        let mut statements = None;
        for (name, value) in members {
            match (name.as_str(), value) {
                ("Version", Json::Text(version)) if version == "2012-10-17" => variables = true,
                ("Version", Json::Text(version)) if version == "2008-10-17" => {}
                ("Version", _) => {
                    return Err(Malformed::because("Policy document must be version 2012-10-17 or greater."));
                }
                ("Id", Json::Text(_)) => {}
                ("Statement", value) => statements = Some(value),
                _ => return Err(Malformed::syntax()),
            }
        }
        let statements = statements.ok_or_else(Malformed::syntax)?.items();
        let statements: Vec<Statement> =
            statements.iter().map(|json| statement(json, kind, variables)).collect::<Result<_, _>>()?;
        let mut sids = HashSet::new();
        if statements.iter().filter_map(Statement::sid).any(|sid| !sids.insert(sid)) {
            return Err(Malformed::because("Statement IDs (SID) in a single policy must be unique."));
        }
        Ok(Self { statements })
    }
}

fn statement(json: &Json, kind: Kind, variables: bool) -> Result<Statement, Malformed> {
    let Json::Object(members) = json else { return Err(Malformed::syntax()) };
    let (mut sid, mut effect, mut principals) = (None, None, None);
    let (mut actions, mut resources, mut conditions) = (None, None, Vec::new());
    for (name, value) in members {
        match name.as_str() {
            "Sid" => sid = Some(sid_of(value, kind)?),
            "Effect" => effect = Some(effect_of(value)?),
            "Principal" => once(&mut principals, Listed::Only(Principals::parse(value)?))?,
            "NotPrincipal" => once(&mut principals, Listed::AllBut(Principals::parse(value)?))?,
            "Action" => once(&mut actions, Listed::Only(actions_of(value)?))?,
            "NotAction" => once(&mut actions, Listed::AllBut(actions_of(value)?))?,
            "Resource" => once(&mut resources, Listed::Only(resources_of(value, variables)?))?,
            "NotResource" => once(&mut resources, Listed::AllBut(resources_of(value, variables)?))?,
            "Condition" => conditions = conditions_of(value, variables)?,
            _ => return Err(Malformed::syntax()),
        }
    }
    match (kind, &principals, &resources) {
        (Kind::Identity, Some(_), _) => {
            return Err(Malformed::because("Policy document should not specify a principal."));
        }
        (Kind::Resource | Kind::Trust | Kind::Repository, None, _) => {
            return Err(Malformed::because("Missing required field Principal"));
        }
        (Kind::Trust | Kind::Repository, _, Some(_)) => {
            return Err(Malformed::because("Has prohibited field Resource"));
        }
        (Kind::Trust, _, None) if !all_of_sts(json) => {
            return Err(Malformed::because("AssumeRole policy may only specify STS AssumeRole actions."));
        }
        (Kind::Identity | Kind::Resource, _, None) => {
            return Err(Malformed::because("Policy statement must contain resources."));
        }
        _ => {}
    }
    Ok(Statement {
        sid,
        effect: effect.ok_or_else(|| Malformed::because("Missing required field Effect"))?,
        principals,
        actions: actions.ok_or_else(|| Malformed::because("Policy statement must contain actions."))?,
        resources,
        conditions,
    })
}

/// Whether a statement speaks of the Security Token Service alone.
fn all_of_sts(statement: &Json) -> bool {
    let is_of_sts = |action: &Json| {
        let vendor = action.as_str().and_then(|action| action.get(..4));
        vendor.is_some_and(|vendor| vendor.eq_ignore_ascii_case("sts:"))
    };
    let named = statement.get("Action").or_else(|| statement.get("NotAction"));
    named.is_none_or(|named| named.items().iter().all(is_of_sts))
}

/// `Action` beside `NotAction`, and the like.
fn once<T>(place: &mut Option<T>, value: T) -> Result<(), Malformed> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Malformed::syntax()),
    }
}

/// Identity policies take letters and digits only, others everything.
fn sid_of(value: &Json, kind: Kind) -> Result<String, Malformed> {
    let sid = value.as_str().ok_or_else(Malformed::syntax)?;
    if kind == Kind::Identity && !sid.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(Malformed::because(format!(
            "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression \
             [0-9A-Za-z]*: {}",
            sid.chars().take(100).collect::<String>()
        )));
    }
    Ok(sid.to_owned())
}

fn effect_of(value: &Json) -> Result<Effect, Malformed> {
    match value.as_str() {
        Some("Allow") => Ok(Effect::Allow),
        Some("Deny") => Ok(Effect::Deny),
        _ => Err(Malformed::syntax()),
    }
}

fn texts<'a>(value: &'a Json, empty: &'static str) -> Result<Vec<&'a str>, Malformed> {
    let texts: Option<Vec<&str>> = value.items().iter().map(Json::as_str).collect();
    match texts {
        None => Err(Malformed::syntax()),
        Some(texts) if texts.is_empty() => Err(Malformed::because(empty)),
        Some(texts) => Ok(texts),
    }
}

fn actions_of(value: &Json) -> Result<Vec<Pattern>, Malformed> {
    let texts = texts(value, "Policy statement must contain actions.")?;
    let read = |text: &&str| {
        let vendor = text.split_once(':');
        let legal = *text == "*"
            || vendor.is_some_and(|(vendor, name)| {
                !vendor.is_empty() && !name.is_empty() && !name.contains([':', ' '])
            });
        if !legal {
            return Err(Malformed::because(
                "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
            ));
        }
        let vendor = vendor.map(|(vendor, _)| vendor).unwrap_or_default();
        if !vendor.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(Malformed::because(format!(
                "Vendor {} is not valid",
                vendor.chars().take(100).collect::<String>()
            )));
        }
        // Variables stand in resources and conditions only.
        Ok(Pattern::parse(text, Reading { wildcards: true, variables: false }))
    };
    texts.iter().map(read).collect()
}

fn resources_of(value: &Json, variables: bool) -> Result<Vec<ArnPattern>, Malformed> {
    let texts = texts(value, "Policy statement must contain resources.")?;
    let read = |text: &&str| {
        let is_arn = text.starts_with("arn:") && text.split(':').count() >= 6;
        // Made of wildcards and variables alone, or open before the colons.
        let is_open = text.starts_with(['*', '$']) || text.starts_with("arn:") && text.contains('*');
        if !is_arn && !is_open {
            return Err(Malformed::because(format!(
                "Resource {} must be in ARN format or \"*\".",
                text.chars().take(200).collect::<String>()
            )));
        }
        Ok(ArnPattern::parse(text, variables))
    };
    texts.iter().map(read).collect()
}

fn conditions_of(value: &Json, variables: bool) -> Result<Vec<Condition>, Malformed> {
    let Json::Object(operators) = value else { return Err(Malformed::syntax()) };
    let mut conditions = Vec::new();
    for (operator, keys) in operators {
        let Json::Object(keys) = keys else { return Err(Malformed::syntax()) };
        for (key, values) in keys {
            if !key.contains(':') {
                return Err(Malformed::because(
                    "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
                ));
            }
            conditions.push(Condition::parse(operator, key, values, variables)?);
        }
    }
    Ok(conditions)
}
