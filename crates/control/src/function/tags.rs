//! The tags of a function: labels for its owner, and the few by which it sets what AWS has no field for.
//!
//! They belong to the function as a whole, stand in the record of `$LATEST` and, as at Lambda, change its revision. What holds for the
//! tags of every kind of thing stands in [`crate::tags`].

use std::sync::Arc;

use model::arn::{FunctionId, Scope};
use model::error::ServiceError;
use model::function::Function;
use model::name::FunctionName;
use model::pairs::Pairs;
use model::port::Pending;

use super::Functions;
use super::refusal::not_found;
use crate::durable::to_the_end;
use crate::tags::{TagChange, Tagged, Tags, check_labels};

/// The tags that Dormouse reads.
const STEERING: &str = "dormouse:";

impl Tagged for Functions {
    fn tags(&self, scope: &Scope, id: &str) -> Result<Tags, ServiceError> {
        let id = function_id(scope, id)?;
        let tags = self.0.registry.look(&id, |live| live.current.tags.to_map());
        tags.ok_or_else(|| not_found(&id, None))
    }

    fn change_tags(
        &self,
        scope: &Scope,
        id: &str,
        change: TagChange,
    ) -> Pending<'_, Result<(), ServiceError>> {
        let (functions, id) = (self.clone(), function_id(scope, id));
        Box::pin(async move {
            let id = id?;
            to_the_end(async move { functions.change_tags_now(&id, change).await }).await
        })
    }
}

impl Functions {
    async fn change_tags_now(&self, id: &FunctionId, change: TagChange) -> Result<(), ServiceError> {
        let claim = self.claim_in_turn(id).await?;
        let (before, served) = (Arc::clone(&claim.live.current), claim.live.serving.clone());
        let tags = change.apply(before.tags.to_map())?;
        check_tags(&tags)?;
        let tags = Pairs::from(tags);
        let is_steered_anew = !steering(&before.tags).eq(steering(&tags));
        let tagged = |function: &Function| Function { tags: tags.clone(), ..function.clone() };
        // What runs gets them as well, whether or not it is what is shown.
        let serving = served.map(|serving| Arc::new(tagged(&serving)));
        // Versions follow when they are put in beside it.
        let current = Function { revision: self.new_revision(), ..tagged(&before) };
        self.write(claim, current, Vec::new(), |_, _| serving).await?;
        if is_steered_anew {
            self.0.parts.invoke.retire(id, None);
            self.tell_provisioned(id);
        }
        Ok(())
    }
}

fn steering(tags: &Pairs) -> impl Iterator<Item = (&str, &str)> {
    tags.iter().filter(|(key, _)| key.starts_with(STEERING))
}

fn function_id(scope: &Scope, name: &str) -> Result<FunctionId, ServiceError> {
    let missing = |_| ServiceError::ResourceNotFound("There is no function of this name.".to_owned());
    Ok(FunctionId { scope: scope.clone(), name: FunctionName::parse(name).map_err(missing)? })
}

/// Checks the tags of a function, those that steer Dormouse included.
///
/// # Errors
/// `InvalidParameterValue` naming the tag.
pub fn check_tags(tags: &Tags) -> Result<(), ServiceError> {
    check_labels(tags)?;
    for (key, value) in tags {
        if key == "dormouse:egress" && value == "internet" {
            return invalid(
                "The tag \"dormouse:egress\" cannot be \"internet\": this version of Dormouse does not serve internet \
                 egress yet. Functions reach the platform endpoint only, which the value none says too.",
            );
        }
        if !is_setting_legal(key, value) {
            return invalid(&format!(
                "The tag {key:?} cannot be {value:?}. Dormouse reads these tags: dormouse:egress (none), \
                 dormouse:idle-seconds (a whole number), dormouse:freeze (true or false)."
            ));
        }
    }
    Ok(())
}

fn is_setting_legal(key: &str, value: &str) -> bool {
    match key {
        "dormouse:egress" => value == "none",
        "dormouse:idle-seconds" => value.parse::<u32>().is_ok(),
        "dormouse:freeze" => matches!(value, "true" | "false"),
        other => !other.starts_with(STEERING),
    }
}

fn invalid<T>(message: &str) -> Result<T, ServiceError> {
    Err(ServiceError::InvalidParameterValue(message.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_checked() {
        let check =
            |key: &str, value: &str| check_tags(&Tags::from([(key.to_owned(), value.to_owned())])).is_ok();
        assert!(
            check("team", "x") && check("dormouse:freeze", "false") && check("dormouse:idle-seconds", "5")
        );
        assert!(!check("aws:x", "y") && !check("", "y") && !check("dormouse:freeze", "maybe"));
        assert!(!check("dormouse:idle-seconds", "-1") && !check("dormouse:unknown", "1"));
        assert!(!check(&"k".repeat(129), "y"));
        assert!(check("dormouse:egress", "none") && !check("dormouse:egress", "all"));
        let internet = Tags::from([("dormouse:egress".to_owned(), "internet".to_owned())]);
        match check_tags(&internet) {
            Err(ServiceError::InvalidParameterValue(message)) => {
                assert!(message.contains("does not serve internet egress yet"), "{message}");
            }
            other => panic!("egress that is not served was not refused: {other:?}"),
        }
    }
}
