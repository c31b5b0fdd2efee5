//! What asynchronous invocations ask of functions: which version runs now, and how its events are handled.
//!
//! Read for each attempt, so a change of alias or settings holds for events that wait already.

use std::sync::Arc;
use std::time::Duration;

use model::arn::FunctionId;
use model::error::ServiceError;
use model::event::{AGE_MAX_DEFAULT, Directory, EventSettings, RETRIES_DEFAULT};
use model::function::Function;
use model::name::{FunctionReference, Qualifier, Version};

use super::Functions;

impl Directory for Functions {
    fn resolve(
        &self,
        function: &FunctionId,
        qualifier: Option<&Qualifier>,
    ) -> Result<Arc<Function>, ServiceError> {
        let FunctionId { scope, name } = function.clone();
        let reference = FunctionReference { region: None, account: None, name, qualifier: None };
        Functions::resolve(self, &scope, &reference, qualifier)
    }

    fn event_settings(&self, function: &FunctionId, qualifier: Option<&Qualifier>) -> EventSettings {
        let attachments = &self.0.attachments;
        let FunctionId { scope, name } = function.clone();
        let reference = FunctionReference { region: None, account: None, name, qualifier: None };
        // Where a version or alias is gone, its events are given up as the function's own.
        let found =
            self.get(&scope, &reference, qualifier).or_else(|_| self.get(&scope, &reference, None)).ok();
        let qualifier = qualifier.cloned().unwrap_or(Qualifier::Version(Version::Latest));
        let config = attachments.event_invokes.get(function, &qualifier.to_string()).map(|entry| entry.value);
        let config = config.as_deref();
        let age_max = config.and_then(|config| config.event_age_max_s);
        EventSettings {
            retries_max: config.and_then(|config| config.retries_max).unwrap_or(RETRIES_DEFAULT),
            age_max: age_max.map_or(AGE_MAX_DEFAULT, |seconds| Duration::from_secs(seconds.into())),
            on_success: config.and_then(|config| config.on_success.clone()),
            on_failure: config.and_then(|config| config.on_failure.clone()),
            dead_letter: found.as_ref().and_then(|found| found.settings.noted.dead_letter.clone()),
            role: found.map(|found| found.settings.role.to_string()),
            may_recur: attachments.recursion.get(function, "").is_some_and(|entry| entry.value.is_allowed),
            is_shut: attachments.reserved.get(function, "").is_some_and(|entry| entry.value.executions == 0),
        }
    }
}
