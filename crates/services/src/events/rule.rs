//! Rules: put, described, listed, switched, deleted. A rule keeps its targets and tags when it is put again.
//!
//! Whoever performs schedules finds them here ([`Events::scheduled`]).

use std::sync::Arc;

use model::arn::Scope;
use model::bus::{BusId, Rule, RuleState};
use model::error::ServiceError;
use model::schedule::Expression;
use pattern::{Dialect, Pattern};
use store::records::table::Entry;
use wire::events as api;

use super::error::{bad_pattern, invalid, no_rule, of_records, too_many};
use super::managed::Shown;
use super::page::Page;
use super::{Events, name, tags};

/// Rules of one bus (EventBridge User Guide, "Quotas").
const RULES_MAX: usize = 300;

impl Events {
    pub(super) async fn put_rule(
        &self,
        scope: &Scope,
        input: &api::PutRuleRequest,
    ) -> Result<api::PutRuleResponse, ServiceError> {
        let bus = name::bus(scope, input.event_bus_name.as_deref())?;
        let name = input.name.clone().unwrap_or_default();
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let (event_pattern, schedule) = (given(&input.event_pattern), given(&input.schedule_expression));
        check_trigger(&bus, event_pattern.as_deref(), schedule.as_deref())?;
        let _turn = self.changing.lock().await;
        self.bus(&bus)?;
        self.refuse_managed(&bus, &name, None)?;
        let now = self.clock.now();
        let before = self.rules.get(&bus, &name);
        if before.is_none() && self.rules.count(&bus) >= RULES_MAX {
            return Err(too_many());
        }
        let (stored, before) = before.map(|Entry { value, stored }| (stored, value)).unzip();
        let since =
            before.as_ref().filter(|before| before.schedule == schedule).map_or(now, |before| before.since);
        let tags = match &before {
            Some(before) => before.tags.clone(),
            None => tags::added(Default::default(), input.tags.as_deref().unwrap_or_default())?,
        };
        let rule = Rule {
            bus,
            name,
            pattern: event_pattern,
            schedule,
            state: input.state.as_ref().map_or(RuleState::Enabled, state_of),
            description: input.description.clone(),
            role: input.role_arn.clone(),
            tags,
            since,
            targets: before.map(|before| before.targets.clone()).unwrap_or_default(),
        };
        let rule = self.rules.put(rule, stored).await.map_err(of_records)?;
        self.routes.forget(&rule.bus);
        self.changes.tell(rule.arn());
        Ok(api::PutRuleResponse { rule_arn: Some(rule.arn()) })
    }

    pub(super) async fn delete_rule(
        &self,
        scope: &Scope,
        input: &api::DeleteRuleRequest,
    ) -> Result<(), ServiceError> {
        let bus = name::bus(scope, input.event_bus_name.as_deref())?;
        let name = input.name.as_deref().unwrap_or_default();
        let _turn = self.changing.lock().await;
        self.bus(&bus)?;
        self.refuse_managed(&bus, name, input.force)?;
        // What is not there need not be deleted.
        let Some(Entry { value, stored }) = self.rules.get(&bus, name) else { return Ok(()) };
        if !value.targets.is_empty() {
            return Err(invalid("Rule can't be deleted since it has targets."));
        }
        self.rules.remove(&bus, name, stored).await.map_err(of_records)?;
        self.routes.forget(&bus);
        self.changes.tell(value.arn());
        Ok(())
    }

    pub(super) fn describe_rule(
        &self,
        scope: &Scope,
        input: &api::DescribeRuleRequest,
    ) -> Result<api::DescribeRuleResponse, ServiceError> {
        let (bus, name) = (input.event_bus_name.as_deref(), input.name.as_deref());
        let Shown { rule, managed_by } = self.shown_rule(scope, bus, name)?;
        Ok(api::DescribeRuleResponse {
            name: Some(rule.name.clone()),
            arn: Some(rule.arn()),
            event_pattern: rule.pattern.clone(),
            schedule_expression: rule.schedule.clone(),
            state: Some(state(rule.state)),
            description: rule.description.clone(),
            role_arn: rule.role.clone(),
            managed_by,
            event_bus_name: Some(rule.bus.name.clone()),
            created_by: Some(rule.bus.scope.account.to_string()),
        })
    }

    pub(super) async fn enable_rule(
        &self,
        scope: &Scope,
        input: &api::EnableRuleRequest,
    ) -> Result<(), ServiceError> {
        let bus = name::bus(scope, input.event_bus_name.as_deref())?;
        self.switch_rule(&bus, input.name.as_deref(), RuleState::Enabled).await
    }

    pub(super) async fn disable_rule(
        &self,
        scope: &Scope,
        input: &api::DisableRuleRequest,
    ) -> Result<(), ServiceError> {
        let bus = name::bus(scope, input.event_bus_name.as_deref())?;
        self.switch_rule(&bus, input.name.as_deref(), RuleState::Disabled).await
    }

    async fn switch_rule(
        &self,
        bus: &BusId,
        name: Option<&str>,
        state: RuleState,
    ) -> Result<(), ServiceError> {
        let switched = self.change_rule(bus, name.unwrap_or_default(), |rule| {
            rule.state = state;
            Ok(())
        });
        switched.await.map(drop)
    }

    pub(super) fn list_rules(
        &self,
        scope: &Scope,
        input: &api::ListRulesRequest,
    ) -> Result<api::ListRulesResponse, ServiceError> {
        let bus = self.bus(&name::bus(scope, input.event_bus_name.as_deref())?)?;
        let page = Page {
            prefix: input.name_prefix.as_deref(),
            token: input.next_token.as_deref(),
            limit: input.limit,
        };
        let (rules, next_token) = page.cut(self.shown_rules(&bus.id), |shown| shown.rule.name.clone())?;
        let listed = |Shown { rule, managed_by }| api::Rule {
            name: Some(rule.name.clone()),
            arn: Some(rule.arn()),
            event_pattern: rule.pattern.clone(),
            state: Some(state(rule.state)),
            description: rule.description.clone(),
            schedule_expression: rule.schedule.clone(),
            role_arn: rule.role.clone(),
            managed_by,
            event_bus_name: Some(rule.bus.name.clone()),
        };
        Ok(api::ListRulesResponse { rules: Some(rules.into_iter().map(listed).collect()), next_token })
    }

    pub(super) fn list_rule_names(
        &self,
        scope: &Scope,
        input: &api::ListRuleNamesByTargetRequest,
    ) -> Result<api::ListRuleNamesByTargetResponse, ServiceError> {
        let bus = self.bus(&name::bus(scope, input.event_bus_name.as_deref())?)?;
        let arn = input.target_arn.as_deref().unwrap_or_default();
        let page = Page { prefix: None, token: input.next_token.as_deref(), limit: input.limit };
        let has_target = |shown: &Shown| shown.rule.targets.iter().any(|target| target.arn == arn);
        let rules = self.shown_rules(&bus.id).into_iter().filter(has_target);
        let names = rules.map(|shown| shown.rule.name.clone()).collect();
        let (names, next_token) = page.cut(names, String::clone)?;
        let rule_names = Some(names);
        Ok(api::ListRuleNamesByTargetResponse { rule_names, next_token })
    }

    /// A rule that is there, be it an archive's.
    pub(super) fn shown_rule(
        &self,
        scope: &Scope,
        bus: Option<&str>,
        rule: Option<&str>,
    ) -> Result<Shown, ServiceError> {
        let (bus, rule) = (self.bus(&name::bus(scope, bus)?)?, rule.unwrap_or_default());
        match self.rules.get(&bus.id, rule) {
            Some(found) => Ok(Shown::own(found.value)),
            None => self.managed_rule(&bus.id, rule).ok_or_else(|| no_rule(&bus.id, rule)),
        }
    }

    /// Changes a rule, in turn with all other changes.
    pub(super) async fn change_rule(
        &self,
        bus: &BusId,
        name: &str,
        change: impl FnOnce(&mut Rule) -> Result<(), ServiceError>,
    ) -> Result<Arc<Rule>, ServiceError> {
        let _turn = self.changing.lock().await;
        self.bus(bus)?;
        self.refuse_managed(bus, name, None)?;
        let Entry { value, stored } = self.rules.get(bus, name).ok_or_else(|| no_rule(bus, name))?;
        let mut rule = Rule::clone(&value);
        change(&mut rule)?;
        let rule = self.rules.put(rule, Some(stored)).await.map_err(of_records)?;
        self.routes.forget(bus);
        self.changes.tell(rule.arn());
        Ok(rule)
    }

    /// All rules that have a schedule and are at work.
    #[must_use]
    pub fn scheduled(&self) -> Vec<Rule> {
        self.rules.gather(|rule| (rule.schedule.is_some() && rule.is_enabled()).then(|| rule.clone()))
    }
}

fn check_trigger(bus: &BusId, pattern: Option<&str>, schedule: Option<&str>) -> Result<(), ServiceError> {
    if pattern.is_none() && schedule.is_none() {
        return Err(invalid("Parameter(s) EventPattern or ScheduleExpression must be specified."));
    }
    if let Some(pattern) = pattern {
        Pattern::parse(pattern, Dialect::EventBridge).map_err(|error| bad_pattern(&error))?;
    }
    if let Some(schedule) = schedule {
        if !bus.is_default() {
            return Err(invalid("ScheduleExpression is supported only on the default event bus."));
        }
        Expression::parse_of_rule(schedule)
            .map_err(|_| invalid("Parameter ScheduleExpression is not valid."))?;
    }
    Ok(())
}

fn state_of(state: &api::RuleState) -> RuleState {
    match state {
        api::RuleState::Disabled => RuleState::Disabled,
        api::RuleState::EnabledWithAllCloudtrailManagementEvents => RuleState::EnabledWithAllManagementEvents,
        api::RuleState::Enabled | api::RuleState::Unknown(_) => RuleState::Enabled,
    }
}

fn state(state: RuleState) -> api::RuleState {
    match state {
        RuleState::Enabled => api::RuleState::Enabled,
        RuleState::Disabled => api::RuleState::Disabled,
        RuleState::EnabledWithAllManagementEvents => api::RuleState::EnabledWithAllCloudtrailManagementEvents,
    }
}
