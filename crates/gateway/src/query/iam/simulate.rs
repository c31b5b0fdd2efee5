//! Simulations of policies.
//!
//! What cannot be taken into account here (organizations, excluded policies) is refused, so that no answer is wrong.

use control::iam::{IamError, Matched, Page, Simulated, Simulation};
use policy::{Context, Decision, Position};
use wire::iam::{self as api, Input};
use wire::query::Reply;

use super::{Doing, page, strange};

/// Carries out an operation.
pub(super) fn answer(doing: &Doing<'_>, input: Input) -> Result<Reply, IamError> {
    match input {
        Input::SimulatePrincipalPolicy(it) => {
            refuse(it.policy_exclusion_list.is_some(), "PolicyExclusionList")?;
            refuse(it.resource_handling_option.is_some(), "ResourceHandlingOption")?;
            check_owner(doing, it.resource_owner.as_deref())?;
            let asked = Simulation {
                source: it.policy_source_arn,
                policies: it.policy_input_list.unwrap_or_default(),
                boundary: one(it.permissions_boundary_policy_input_list)?,
                actions: it.action_names.unwrap_or_default(),
                resources: it.resource_arns.unwrap_or_default(),
                resource_policy: it.resource_policy,
                caller: it.caller_arn,
                context: context(it.context_entries),
            };
            let found = simulate(doing, asked, &page(it.marker, it.max_items, None))?;
            doing.reply::<api::SimulatePrincipalPolicyRequest>(shown(found))
        }
        Input::SimulateCustomPolicy(it) => {
            let organizations = it.ordered_organization_policy_input_list.is_some();
            refuse(organizations, "OrderedOrganizationPolicyInputList")?;
            refuse(it.resource_handling_option.is_some(), "ResourceHandlingOption")?;
            check_owner(doing, it.resource_owner.as_deref())?;
            let asked = Simulation {
                source: None,
                policies: it.policy_input_list.unwrap_or_default(),
                boundary: one(it.permissions_boundary_policy_input_list)?,
                actions: it.action_names.unwrap_or_default(),
                resources: it.resource_arns.unwrap_or_default(),
                resource_policy: it.resource_policy,
                caller: it.caller_arn,
                context: context(it.context_entries),
            };
            let found = simulate(doing, asked, &page(it.marker, it.max_items, None))?;
            doing.reply::<api::SimulateCustomPolicyRequest>(shown(found))
        }
        _ => Err(strange(doing)),
    }
}

fn simulate(
    doing: &Doing<'_>,
    asked: Simulation,
    page: &control::iam::PageOf,
) -> Result<Page<Simulated>, IamError> {
    let answers = doing.iam.simulate(doing.account, asked)?;
    page.of(answers.into_iter().enumerate().map(|(index, answer)| (format!("{index:05}"), answer)))
}

/// As AWS shows it: what is missing stands with the resources where some are named.
fn shown(found: Page<Simulated>) -> api::SimulatePolicyResponse {
    let result = |found: Simulated| {
        let decision = decision(found.decision);
        let matched: Vec<api::Statement> = found.matched.into_iter().map(statement).collect();
        let missing = found.missing.to_vec();
        let boundary = found.is_within_boundary.map(|is_within| api::PermissionsBoundaryDecisionDetail {
            allowed_by_permissions_boundary: Some(is_within),
        });
        let (missing, specific) = if found.resource == "*" {
            (missing, None)
        } else {
            let specific = api::ResourceSpecificResult {
                eval_resource_name: Some(found.resource.clone()),
                eval_resource_decision: Some(decision.clone()),
                matched_statements: Some(matched.clone()),
                missing_context_values: Some(missing),
                permissions_boundary_decision_detail: boundary.clone(),
                ..api::ResourceSpecificResult::default()
            };
            (Vec::new(), Some(vec![specific]))
        };
        api::EvaluationResult {
            eval_action_name: Some(found.action),
            eval_resource_name: Some(found.resource),
            eval_decision: Some(decision),
            matched_statements: Some(matched),
            missing_context_values: Some(missing),
            permissions_boundary_decision_detail: boundary,
            resource_specific_results: specific,
            ..api::EvaluationResult::default()
        }
    };
    api::SimulatePolicyResponse {
        evaluation_results: Some(found.items.into_iter().map(result).collect()),
        is_truncated: Some(found.next.is_some()),
        marker: found.next,
    }
}

fn decision(decision: Decision) -> api::PolicyEvaluationDecisionType {
    match decision {
        Decision::Allowed => api::PolicyEvaluationDecisionType::Allowed,
        Decision::ExplicitDeny(_) => api::PolicyEvaluationDecisionType::ExplicitDeny,
        Decision::ImplicitDeny(_) => api::PolicyEvaluationDecisionType::ImplicitDeny,
    }
}

/// The types are those that AWS answers; its model has others.
fn statement(matched: Matched) -> api::Statement {
    let kind = if matched.is_resource_policy { "Resource Policy" } else { "IAM Policy" };
    let position = |position: Position| api::Position {
        line: i32::try_from(position.line).ok(),
        column: i32::try_from(position.column).ok(),
    };
    let (start, end) = matched.span.unzip();
    api::Statement {
        source_policy_id: Some(matched.policy),
        source_policy_type: Some(kind.into()),
        start_position: start.map(position),
        end_position: end.map(position),
    }
}

fn context(entries: Option<Vec<api::ContextEntry>>) -> Context {
    let mut context = Context::new();
    for entry in entries.unwrap_or_default() {
        let values = entry.context_key_values.unwrap_or_default();
        context.set_all(entry.context_key_name.unwrap_or_default(), values);
    }
    context
}

fn one(texts: Option<Vec<String>>) -> Result<Option<String>, IamError> {
    let mut texts = texts.unwrap_or_default();
    if texts.len() > 1 {
        return Err(IamError::InvalidInput("There can be one permissions boundary.".to_owned()));
    }
    Ok(texts.pop())
}

fn check_owner(doing: &Doing<'_>, owner: Option<&str>) -> Result<(), IamError> {
    let own = format!(":{}:", doing.account);
    let is_own = owner.is_none_or(|owner| owner == doing.account.as_str() || owner.contains(&own));
    refuse(!is_own, "ResourceOwner of another account")
}

fn refuse(is_asked: bool, member: &str) -> Result<(), IamError> {
    if is_asked {
        return Err(IamError::InvalidInput(format!("{member} is not supported by this server.")));
    }
    Ok(())
}
