//! Emits a service of the query protocol: the form of each shape that travels, its inputs as calls and its outputs as
//! answers, and the list of all its operations with the sum of the served inputs.

use std::collections::BTreeSet;

use anyhow::{Context, bail};

use super::model::Kind;
use super::names::constant;
use super::{Source, errors, operations};

/// Inputs as calls and outputs as answers, after the forms by which they are read and written.
pub(super) fn bindings(source: &Source<'_>) -> anyhow::Result<String> {
    let mut code = "use super::operations::Operation;\nuse super::types::*;\n\
         use crate::query::{Call, Form, Output, Rpc, json_of};\n\n"
        .to_owned();
    let mut shapes = BTreeSet::new();
    for name in source.reach.inputs.keys().chain(&source.reach.outputs) {
        follow(source, name, &mut shapes)?;
    }
    for name in &shapes {
        code.push_str(&format!("static {}: Form = {};\n\n", form_name(name), form(source, name)?));
    }
    for (input, operation) in &source.reach.inputs {
        let output = source.model.operations[operation].output.as_ref();
        let output = output.map_or("()", |output| &output.shape);
        code.push_str(&format!(
            "impl Call for {input} {{\ntype Output = {output};\n\
             const RPC: Rpc = Operation::{operation}.rpc();\nconst FORM: &'static Form = &{};\n}}\n\n",
            form_name(input)
        ));
    }
    for output in &source.reach.outputs {
        code.push_str(&format!(
            "impl Output for {output} {{\n\
             fn result(&self) -> Option<(serde_json::Value, &'static Form)> {{\nSome((json_of(self), &{}))\n}}\n}}\n\n",
            form_name(output)
        ));
    }
    Ok(code)
}

/// Adds the shapes at and below `name` that have parts, and so a form of their own.
fn follow(source: &Source<'_>, name: &str, found: &mut BTreeSet<String>) -> anyhow::Result<()> {
    let shape = source.model.shape(name)?;
    if !matches!(shape.kind, Kind::Structure | Kind::List | Kind::Map) || !found.insert(name.to_owned()) {
        return Ok(());
    }
    let members = shape.members.0.iter().map(|(_, member)| &member.shape);
    let elements = [&shape.member, &shape.key, &shape.value].into_iter().flatten().map(|part| &part.shape);
    for part in members.chain(elements) {
        follow(source, part, found)?;
    }
    Ok(())
}

fn form_name(shape: &str) -> String {
    format!("{}_FORM", constant(shape))
}

fn form(source: &Source<'_>, name: &str) -> anyhow::Result<String> {
    let shape = source.model.shape(name)?;
    if shape.flattened {
        bail!("{name} is flattened, for which no form is known");
    }
    let part = |part: &Option<super::model::Reference>| match part {
        Some(reference) => reference_to(source, &reference.shape),
        None => bail!("{name} names no element"),
    };
    Ok(match shape.kind {
        Kind::List => format!("Form::List({})", part(&shape.member)?),
        Kind::Map => {
            let name = |part: &Option<super::model::Reference>, usual: &str| {
                let named = part.as_ref().and_then(|reference| reference.location_name.clone());
                named.unwrap_or_else(|| usual.to_owned())
            };
            let names = [name(&shape.key, "key"), name(&shape.value, "value")];
            format!("Form::Map({names:?}, {})", part(&shape.value)?)
        }
        _ => {
            let mut members = String::new();
            for (member_name, member) in &shape.members.0 {
                let wire = member.location_name.as_deref().unwrap_or(member_name);
                members.push_str(&format!("({wire:?}, {}), ", reference_to(source, &member.shape)?));
            }
            format!("Form::Structure(&[{members}])")
        }
    })
}

fn reference_to(source: &Source<'_>, name: &str) -> anyhow::Result<String> {
    Ok(match source.model.shape(name)?.kind {
        Kind::Structure | Kind::List | Kind::Map => format!("&{}", form_name(name)),
        Kind::String => "&Form::Text".to_owned(),
        Kind::Blob => "&Form::Blob".to_owned(),
        Kind::Boolean => "&Form::Truth".to_owned(),
        Kind::Integer | Kind::Long => "&Form::Whole".to_owned(),
        Kind::Double | Kind::Float => "&Form::Real".to_owned(),
        Kind::Timestamp => "&Form::Time".to_owned(),
    })
}

pub(super) fn emit(source: &Source<'_>) -> anyhow::Result<String> {
    let operations = &source.model.operations;
    let metadata = &source.model.metadata;
    let namespace = metadata.xml_namespace.as_deref().context("the model names no namespace")?;
    let (arms, variants) = operations::served(source, "parameters");
    Ok(format!(
        "use super::errors;\nuse super::types::*;\nuse crate::check::Refused;\nuse crate::error::ErrorShape;\n\
         use crate::query::{{Call, Parameters, Rpc, Service}};\n\n\
         {enumeration}\
         impl Operation {{\n\
         {all}\n\n\
         /// How the operation is called.\n#[must_use]\n\
         pub const fn rpc(self) -> Rpc {{\nRpc {{ service: &SERVICE, name: self.name() }}\n}}\n\n\
         /// The operation's name.\n#[must_use]\n\
         pub const fn name(self) -> &'static str {{\nNAMES[self as usize]\n}}\n}}\n\n\
         /// The operation that a request means; none if it is not known.\n#[must_use]\n\
         pub fn route(parameters: &Parameters) -> Option<Operation> {{\n\
         SERVICE.find(parameters).map(|place| Operation::ALL[place])\n}}\n\n\
         {input_enum}\
         impl Input {{\n\
         /// Reads and checks the input of `operation`; `None` if the operation is not served.\n\
         #[must_use]\n\
         pub fn accept(operation: Operation, parameters: &Parameters) -> Option<Result<Input, Refused>> {{\n\
         Some(match operation {{\n{arms}}})\n}}\n}}\n\n\
         /// The service as its protocol sees it.\n\
         pub static SERVICE: Service = Service {{ version: {version:?}, namespace: {namespace:?}, \
         operations: &NAMES, errors: errors::ALL, fault: ErrorShape::common({fault:?}, 500) }};\n\n\
         static NAMES: [&str; {count}] = [{names}];\n",
        enumeration = operations::enumeration(source),
        all = operations::all(source),
        input_enum = operations::input_enum(&variants),
        version = metadata.api_version,
        fault = errors::own_fault(source),
        count = operations.len(),
        names = operations.keys().map(|name| format!("{name:?}, ")).collect::<String>(),
    ))
}
