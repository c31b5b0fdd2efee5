//! Which shapes are generated: those that a served operation's input or output reaches, and for each whether it
//! carries something that must not be logged.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, bail};

use super::model::{Kind, Member, Model};
use super::served::Service;

/// The shapes of the served operations, each set in alphabetical order.
pub(super) struct Reach {
    /// Input shape to operation; an operation that has none in the model is given an empty one of its name.
    pub(super) inputs: BTreeMap<String, String>,
    /// Top-level output shapes.
    pub(super) outputs: BTreeSet<String>,
    /// Structures that an input reaches, the inputs included.
    pub(super) checked: BTreeSet<String>,
    /// All structures and enums to generate.
    pub(super) shapes: BTreeSet<String>,
}

impl Reach {
    pub(super) fn of(service: &Service, model: &Model) -> anyhow::Result<Reach> {
        let mut reach = Reach {
            inputs: BTreeMap::new(),
            outputs: BTreeSet::new(),
            checked: BTreeSet::new(),
            shapes: BTreeSet::new(),
        };
        let mut from_inputs = BTreeSet::new();
        for (name, _) in service.operations {
            let operation =
                model.operations.get(*name).with_context(|| format!("the model has no operation {name}"))?;
            let input = operation.input.as_ref().with_context(|| format!("{name} has no input"))?;
            if let Some(other) = reach.inputs.insert(input.shape.clone(), (*name).to_owned()) {
                bail!("{name} and {other} share the input {}", input.shape);
            }
            follow(model, &input.shape, &mut from_inputs)?;
            if let Some(output) = &operation.output {
                reach.outputs.insert(output.shape.clone());
                follow(model, &output.shape, &mut reach.shapes)?;
            }
        }
        for name in &from_inputs {
            if model.shape(name)?.kind == Kind::Structure {
                reach.checked.insert(name.clone());
            }
        }
        reach.shapes.extend(from_inputs);
        Ok(reach)
    }
}

/// Adds the structures and enums below `name`. Of a stream these are the events that are JSON documents; the stream
/// itself and events of raw bytes are no types of the generated code.
fn follow(model: &Model, name: &str, found: &mut BTreeSet<String>) -> anyhow::Result<()> {
    let shape = model.shape(name)?;
    if shape.eventstream {
        for (_, event) in &shape.members.0 {
            let event_shape = model.shape(&event.shape)?;
            if !event_shape.members.0.iter().any(|(_, member)| member.eventpayload) {
                follow(model, &event.shape, found)?;
            }
        }
        return Ok(());
    }
    let generated = shape.kind == Kind::Structure || shape.is_enum();
    if generated && !found.insert(name.to_owned()) {
        return Ok(());
    }
    let members = shape.members.0.iter().map(|(_, member)| &member.shape);
    let elements = [&shape.member, &shape.key, &shape.value].into_iter().flatten().map(|part| &part.shape);
    for part in members.chain(elements) {
        follow(model, part, found)?;
    }
    Ok(())
}

/// Whether a member's value must not be logged: the model or `served.rs` says so of it or of a part of it.
pub(super) fn is_sensitive(
    service: &Service,
    model: &Model,
    structure: &str,
    name: &str,
    member: &Member,
) -> anyhow::Result<bool> {
    let listed = service.sensitive.iter().any(|entry| entry.split_once('.') == Some((structure, name)));
    Ok(listed || is_sensitive_shape(service, model, &member.shape)?)
}

fn is_sensitive_shape(service: &Service, model: &Model, name: &str) -> anyhow::Result<bool> {
    let shape = model.shape(name)?;
    if shape.sensitive || service.sensitive.contains(&name) {
        return Ok(true);
    }
    for part in [&shape.member, &shape.key, &shape.value].into_iter().flatten() {
        if is_sensitive_shape(service, model, &part.shape)? {
            return Ok(true);
        }
    }
    Ok(false)
}
