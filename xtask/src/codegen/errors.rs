//! Emits one constant for each error of the service, served or not: its code, status and the spelling of its
//! message member, which AWS's models do not agree on.

use super::Source;
use super::names::constant;

pub(super) fn emit(source: &Source<'_>) -> anyhow::Result<String> {
    let mut code = "use crate::rest_json::ErrorShape;\n\n".to_owned();
    let mut names = Vec::new();
    for (name, shape) in &source.model.shapes {
        let Some(error) = &shape.error else { continue };
        let message = shape.members.0.iter().map(|(member, _)| member.as_str());
        let message = message.into_iter().find(|member| member.eq_ignore_ascii_case("message"));
        let message = message.unwrap_or("message");
        names.push(constant(name));
        code.push_str(&format!(
            "pub const {}: ErrorShape = ErrorShape {{ code: {name:?}, status: {}, message_member: {message:?}, \
             sender_fault: {} }};\n\n",
            constant(name),
            error.http_status_code,
            error.sender_fault,
        ));
    }
    code.push_str(&format!("pub const ALL: &[ErrorShape] = &[{}];\n", names.join(", ")));
    Ok(code)
}
