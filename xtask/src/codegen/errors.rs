//! Emits one constant for each error of the service, served or not: its code, status and the spelling of its
//! message member, which AWS's models do not agree on.

use super::Source;
use super::model::Shape;
use super::names::constant;

pub(super) fn emit(source: &Source<'_>) -> anyhow::Result<String> {
    let mut code = "use crate::error::ErrorShape;\n\n".to_owned();
    let mut names = Vec::new();
    for (name, shape) in &source.model.shapes {
        let Some((status, sender_fault)) = status(shape) else { continue };
        let message = shape.members.0.iter().map(|(member, _)| member.as_str());
        let message = message.into_iter().find(|member| member.eq_ignore_ascii_case("message"));
        let message = message.unwrap_or("message");
        let code_name = shape.error.as_ref().and_then(|error| error.code.as_deref()).unwrap_or(name);
        names.push(constant(name));
        code.push_str(&format!(
            "pub const {}: ErrorShape = ErrorShape {{ code: {code_name:?}, status: {}, message_member: {message:?}, \
             sender_fault: {} }};\n\n",
            constant(name),
            status, sender_fault,
        ));
    }
    code.push_str(&format!("pub const ALL: &[ErrorShape] = &[{}];\n", names.join(", ")));
    Ok(code)
}

/// Status and whether the caller is at fault, if the shape is an error. Where the model gives no status, it is what
/// the JSON protocols answer.
fn status(shape: &Shape) -> Option<(u16, bool)> {
    match &shape.error {
        Some(error) => Some((error.http_status_code, error.sender_fault)),
        None if shape.exception && shape.fault => Some((500, false)),
        None if shape.exception => Some((400, true)),
        None => None,
    }
}

/// The code by which a service of the query protocol says that it failed itself.
pub(super) fn own_fault(source: &Source<'_>) -> String {
    let shapes = &source.model.shapes;
    let own = ["ServiceFailureException", "InternalErrorException"].iter().find_map(|name| shapes.get(*name));
    let code = own.and_then(|shape| shape.error.as_ref()?.code.clone());
    code.unwrap_or_else(|| "InternalFailure".to_owned())
}

/// The error by which the service says that it failed itself: the only one of its faults, or AWS's common one.
pub(super) fn fault(source: &Source<'_>) -> String {
    let mut faults = source.model.shapes.iter().filter(|(_, shape)| shape.exception && shape.fault);
    match (faults.next(), faults.next()) {
        (Some((name, _)), None) => format!("errors::{}", constant(name)),
        _ => "ErrorShape::common(\"InternalFailure\", 500)".to_owned(),
    }
}
