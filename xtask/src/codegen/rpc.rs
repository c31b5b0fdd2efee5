//! Emits a service of the JSON protocols: its inputs as calls, the list of all its operations with the way from a
//! target to them, and the sum of the served inputs, over which a server matches without a wildcard.

use anyhow::{Context, bail};

use super::{Source, errors, operations};

/// Inputs as calls. Every member is in the body, so that there is nothing to bind.
pub(super) fn bindings(source: &Source<'_>) -> anyhow::Result<String> {
    let mut code = "use super::operations::Operation;\nuse super::types::*;\n\
         use crate::json_rpc::{Call, Rpc};\n\n"
        .to_owned();
    for (input, operation) in &source.reach.inputs {
        let shape = source.model.shape(input)?;
        if let Some((name, _)) = shape.members.0.iter().find(|(_, member)| member.location.is_some()) {
            bail!("{name} of {input} is bound to a part of the request, which the protocol does not have");
        }
        let output = source.model.operations[operation].output.as_ref();
        let output = output.map_or("()", |output| &output.shape);
        code.push_str(&format!(
            "impl Call for {input} {{\ntype Output = {output};\n\
             const RPC: Rpc = Operation::{operation}.rpc();\n}}\n\n"
        ));
    }
    Ok(code)
}

pub(super) fn emit(source: &Source<'_>) -> anyhow::Result<String> {
    let operations = &source.model.operations;
    let metadata = &source.model.metadata;
    let prefix = metadata.target_prefix.as_deref().context("the model names no target prefix")?;
    let version = metadata.json_version.as_deref().context("the model names no version of its protocol")?;
    let (arms, variants) = operations::served(source, "body");
    let fault = errors::fault(source);
    let compatible = match &metadata.aws_query_compatible {
        Some(_) => format!("Some(&crate::{}::COMPATIBLE)", source.service.name),
        None => "None".to_owned(),
    };
    let error_shape = if fault.contains("ErrorShape") { "use crate::error::ErrorShape;\n" } else { "" };
    Ok(format!(
        "use super::errors;\nuse super::types::*;\nuse crate::check::Refused;\n{error_shape}\
         use crate::json_rpc::{{Call, Rpc, Service}};\n\n\
         {enumeration}\
         impl Operation {{\n\
         {all}\n\n\
         /// How the operation is called.\n#[must_use]\n\
         pub const fn rpc(self) -> Rpc {{\nRpc {{ service: &SERVICE, name: self.name() }}\n}}\n\n\
         /// The operation's name.\n#[must_use]\n\
         pub const fn name(self) -> &'static str {{\nNAMES[self as usize]\n}}\n}}\n\n\
         /// The operation that a target means; none if it is another service's or not known.\n#[must_use]\n\
         pub fn route(target: &str) -> Option<Operation> {{\n\
         SERVICE.find(target).map(|place| Operation::ALL[place])\n}}\n\n\
         {input_enum}\
         impl Input {{\n\
         /// Reads and checks the input of `operation`; `None` if the operation is not served.\n\
         #[must_use]\n\
         pub fn accept(operation: Operation, body: &[u8]) -> Option<Result<Input, Refused>> {{\n\
         Some(match operation {{\n{arms}}})\n}}\n}}\n\n\
         /// The service as its protocol sees it.\n\
         pub static SERVICE: Service = Service {{ target_prefix: {prefix:?}, \
         content_type: \"application/x-amz-json-{version}\", operations: &NAMES, errors: errors::ALL, \
         fault: {fault}, compatible: {compatible} }};\n\n\
         static NAMES: [&str; {count}] = [{names}];\n",
        enumeration = operations::enumeration(source),
        all = operations::all(source),
        input_enum = operations::input_enum(&variants),
        count = operations.len(),
        names = operations.keys().map(|name| format!("{name:?}, ")).collect::<String>(),
    ))
}
