//! How operations name buses, rules, archives: by a name in the caller's account and region, or by an ARN.
//!
//! Pure. That a name has the right characters was checked by the API's model.

use model::arn::{ResourceArn, Scope};
use model::bus::{self, BusId};
use model::error::ServiceError;

use super::error::invalid;

/// What can have tags.
pub(super) enum Tagged {
    Bus(BusId),
    Rule(BusId, String),
}

/// The bus that a member names; the default bus, if it names none.
pub(super) fn bus(scope: &Scope, named: Option<&str>) -> Result<BusId, ServiceError> {
    let named = named.unwrap_or(bus::DEFAULT);
    if !named.starts_with("arn:") {
        return Ok(BusId { scope: scope.clone(), name: named.to_owned() });
    }
    bus_of_arn(named).ok_or_else(|| {
        invalid(format!("Parameter {named} is not valid. Reason: Provided Arn is not in correct format."))
    })
}

/// The bus of an ARN.
pub(super) fn bus_of_arn(arn: &str) -> Option<BusId> {
    let arn = of_events(arn)?;
    let name = arn.resource().strip_prefix("event-bus/")?.to_owned();
    Some(BusId { scope: arn.scope().clone(), name })
}

/// The name of an archive of the caller's own.
pub(super) fn archive_of_arn(scope: &Scope, arn: &str) -> Option<String> {
    let arn = of_events(arn).filter(|arn| arn.scope() == scope)?;
    arn.resource().strip_prefix("archive/").map(str::to_owned)
}

/// What an ARN means that tags are asked of or given to.
pub(super) fn tagged(arn: &str) -> Result<Tagged, ServiceError> {
    let parsed = of_events(arn);
    let kind = parsed.as_ref().and_then(|arn| arn.resource().split_once('/'));
    let (Some(parsed), Some((kind, name))) = (&parsed, kind) else {
        return Err(invalid(format!(
            "Parameter {arn} is not valid. Reason: Provided Arn is not in correct format."
        )));
    };
    let scope = parsed.scope().clone();
    match (kind, name.rsplit_once('/')) {
        ("event-bus", _) => Ok(Tagged::Bus(BusId { scope, name: name.to_owned() })),
        ("rule", Some((bus, rule))) => {
            Ok(Tagged::Rule(BusId { scope, name: bus.to_owned() }, rule.to_owned()))
        }
        ("rule", None) => Ok(Tagged::Rule(BusId::default_of(scope), name.to_owned())),
        _ => Err(invalid(format!(
            "Parameter {arn} is not valid. Reason: Provided Arn is not in correct format."
        ))),
    }
}

fn of_events(arn: &str) -> Option<ResourceArn> {
    ResourceArn::parse(arn).ok().filter(|arn| arn.service() == "events")
}
