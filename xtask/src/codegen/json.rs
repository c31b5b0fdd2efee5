//! Emits how each structure is read from and written to JSON. Members that travel outside the body are left out,
//! so a body cannot set them.

use super::Source;
use super::model::{Kind, Member, Protocol, Shape};
use super::names::snake;

pub(super) fn emit(source: &Source<'_>) -> anyhow::Result<String> {
    let mut code = "use serde::de::MapAccess;\n\nuse super::types::*;\n\
         use crate::json::{Object, Structure, next, skip};\n\n"
        .to_owned();
    for name in &source.reach.shapes {
        let shape = source.model.shape(name)?;
        let top_level = source.reach.inputs.contains_key(name) || source.reach.outputs.contains(name);
        let in_other_parts = source.model.metadata.protocol == Protocol::RestJson && top_level;
        if shape.kind != Kind::Structure || (in_other_parts && body_members(shape).is_empty()) {
            continue;
        }
        code.push_str(&structure(name, &body_members(shape)));
    }
    Ok(code)
}

/// The members of the JSON body; none where the body is a raw payload.
pub(super) fn body_members(shape: &Shape) -> Vec<&(String, Member)> {
    if shape.payload.is_some() {
        return Vec::new();
    }
    shape.members.0.iter().filter(|(_, member)| member.location.is_none()).collect()
}

/// A member's name in JSON.
fn wire_name<'a>(name: &'a str, member: &'a Member) -> &'a str {
    member.location_name.as_deref().unwrap_or(name)
}

fn structure(name: &str, members: &[&(String, Member)]) -> String {
    let mut reads = String::new();
    let mut writes = String::new();
    for (member_name, member) in members {
        let (field, wire) = (snake(member_name), wire_name(member_name, member));
        reads.push_str(&format!("{wire:?} => self.{field} = next(values)?,\n"));
        writes.push_str(&format!("out.member({wire:?}, self.{field}.as_ref());\n"));
    }
    let (name_arg, out_arg) = if members.is_empty() { ("_", "_") } else { ("name", "out") };
    let read = if members.is_empty() {
        "skip(values)".to_owned()
    } else {
        format!("match name {{\n{reads}_ => skip(values)?,\n}}\nOk(())")
    };
    format!(
        "impl Structure for {name} {{\n\
         fn read_member<'de, A: MapAccess<'de>>(&mut self, {name_arg}: &str, values: &mut A) -> Result<(), A::Error> {{\n\
         {read}\n}}\n\n\
         fn write_members(&self, {out_arg}: &mut Object<'_>) {{\n{writes}}}\n}}\n\n"
    )
}
