//! Emits the constraints: one static for each constrained shape that an input reaches, and for each structure the
//! calls that apply them to its members, in the model's order.

use std::collections::BTreeMap;

use anyhow::bail;

use super::Source;
use super::model::{Kind, Reference, Shape};
use super::names::{constant, snake, violation};
use super::output::used;
use super::pattern;
use super::reach::is_sensitive;

pub(super) fn emit(source: &Source<'_>) -> anyhow::Result<String> {
    let mut rules = Rules { source, statics: BTreeMap::new() };
    let mut impls = String::new();
    for name in &source.reach.checked {
        impls.push_str(&rules.structure(name)?);
    }
    let mut code = String::new();
    for (name, (kind, body)) in &rules.statics {
        code.push_str(&format!("static {name}: {kind} = {kind} {{ {body} }};\n\n"));
    }
    code.push_str(&impls);
    let rules = ["Check", "List", "ListMap", "Map", "Number", "NumberMap", "Pattern", "Text", "Violations"];
    let imports = [used(&code, "crate::check", &rules), used(&code, "crate::json", &["OpenEnum"])].concat();
    Ok(format!("use super::types::*;\n{imports}\n{code}"))
}

struct Rules<'a> {
    source: &'a Source<'a>,
    /// Name to type and fields, in alphabetical order.
    statics: BTreeMap<String, (&'static str, String)>,
}

impl Rules<'_> {
    fn structure(&mut self, name: &str) -> anyhow::Result<String> {
        let (model, service) = (self.source.model, self.source.service);
        let shape = model.shape(name)?;
        let mut calls = String::new();
        for (member_name, member) in shape.fields(model)? {
            let field = format!("self.{}", snake(member_name));
            let shown = violation(member_name);
            if shape.required.contains(member_name) {
                calls.push_str(&format!("found.required({shown:?}, {field}.as_ref());\n"));
            }
            let sensitive = is_sensitive(service, model, name, member_name, member)?;
            let left = format!("{name}.{member_name}");
            if service.enums_checked_by_operation.contains(&left.as_str()) {
                continue;
            }
            if let Some(call) = self.member(&shown, &field, &member.shape, sensitive)? {
                calls.push_str(&call);
            }
        }
        let found = if calls.is_empty() { "_" } else { "found" };
        Ok(format!(
            "impl Check for {name} {{\nfn check(&self, {found}: &mut Violations) {{\n{calls}}}\n}}\n\n"
        ))
    }

    /// The call that checks one member, or nothing where nothing can be wrong.
    fn member(
        &mut self,
        shown: &str,
        field: &str,
        target: &str,
        sensitive: bool,
    ) -> anyhow::Result<Option<String>> {
        let shape = self.source.model.shape(target)?;
        let bounded = shape.min.is_some() || shape.max.is_some();
        Ok(match shape.kind {
            Kind::Structure => Some(format!("found.structure({shown:?}, {field}.as_ref());\n")),
            Kind::String => {
                let rule = self.text(target, sensitive)?;
                rule.map(|rule| format!("found.text({shown:?}, {field}.as_ref(), &{rule});\n"))
            }
            Kind::Integer | Kind::Long | Kind::Double | Kind::Float if bounded => {
                let value = match shape.kind {
                    Kind::Integer => format!("{field}.map(f64::from)"),
                    Kind::Long => format!("{field}.map(|whole| whole as f64)"),
                    _ => field.to_owned(),
                };
                let rule = self.add(target, "Number", number_bounds(shape));
                Some(format!("found.number({shown:?}, {value}, &{rule});\n"))
            }
            Kind::Blob if bounded => Some(format!(
                "found.blob({shown:?}, {field}.as_ref(), {}, {});\n",
                size(shape.min),
                size(shape.max)
            )),
            Kind::List => self.list(shown, field, target, sensitive)?,
            Kind::Map => self.map(shown, field, target, sensitive)?,
            _ => None,
        })
    }

    fn list(
        &mut self,
        shown: &str,
        field: &str,
        target: &str,
        sensitive: bool,
    ) -> anyhow::Result<Option<String>> {
        let shape = self.source.model.shape(target)?;
        let element_name = &element(target, &shape.member)?.shape;
        let call = match self.source.model.shape(element_name)?.kind {
            Kind::Structure => "structures",
            Kind::String => "list",
            // What such a list may hold, the operation itself says.
            _ if shape.min.is_none() && shape.max.is_none() => return Ok(None),
            _ => {
                let (min, max) = (size(shape.min), size(shape.max));
                return Ok(Some(format!("found.sized({shown:?}, {field}.as_ref(), {min}, {max});\n")));
            }
        };
        let rule = if call == "list" { self.text(element_name, false)? } else { None };
        if call == "list" && rule.is_none() && shape.min.is_none() && shape.max.is_none() {
            return Ok(None);
        }
        let body = format!("{}, element: {}, sensitive: {sensitive}", sizes(shape), reference(rule));
        let rule = self.add(target, "List", body);
        Ok(Some(format!("found.{call}({shown:?}, {field}.as_ref(), &{rule});\n")))
    }

    fn map(
        &mut self,
        shown: &str,
        field: &str,
        target: &str,
        sensitive: bool,
    ) -> anyhow::Result<Option<String>> {
        let shape = self.source.model.shape(target)?;
        let (key, value) = (element(target, &shape.key)?, element(target, &shape.value)?);
        let (name, value_shape) = (&value.shape, self.source.model.shape(&value.shape)?);
        let key = self.text(&key.shape, false)?;
        match value_shape.kind {
            Kind::String => {}
            Kind::Double | Kind::Float => {
                let body = format!(
                    "{}, key: {}, value: Number {{ {} }}",
                    sizes(shape),
                    reference(key),
                    number_bounds(value_shape)
                );
                let rule = self.add(target, "NumberMap", body);
                return Ok(Some(format!("found.numbers({shown:?}, {field}.as_ref(), &{rule});\n")));
            }
            Kind::List => {
                let text = self.text(&element(name, &value_shape.member)?.shape, false)?;
                let list = format!("{}, element: {}, sensitive: false", sizes(value_shape), reference(text));
                let body = format!("{}, key: {}, value: List {{ {list} }}", sizes(shape), reference(key));
                let rule = self.add(target, "ListMap", body);
                return Ok(Some(format!("found.lists({shown:?}, {field}.as_ref(), &{rule});\n")));
            }
            Kind::Structure => {
                let body =
                    format!("{}, key: {}, value: None, sensitive: {sensitive}", sizes(shape), reference(key));
                let rule = self.add(target, "Map", body);
                return Ok(Some(format!("found.structure_map({shown:?}, {field}.as_ref(), &{rule});\n")));
            }
            _ => bail!("{target} is a map of {name}, for which no check is known"),
        }
        let value = self.text(name, false)?;
        if key.is_none() && value.is_none() && shape.min.is_none() && shape.max.is_none() {
            return Ok(None);
        }
        let body = format!(
            "{}, key: {}, value: {}, sensitive: {sensitive}",
            sizes(shape),
            reference(key),
            reference(value)
        );
        let rule = self.add(target, "Map", body);
        Ok(Some(format!("found.map({shown:?}, {field}.as_ref(), &{rule});\n")))
    }

    /// The static that constrains a string or enum; none if every string will do.
    fn text(&mut self, target: &str, sensitive: bool) -> anyhow::Result<Option<String>> {
        let shape = self.source.model.shape(target)?;
        let closed = shape.is_enum();
        if shape.pattern.is_none() && shape.min.is_none() && shape.max.is_none() && !closed {
            return Ok(None);
        }
        let pattern = match &shape.pattern {
            None => "None".to_owned(),
            Some(pattern) => {
                let anchored = pattern::translate(pattern, self.source.service.patterns)?;
                format!("Some(Pattern::new({}, {}))", raw(pattern), raw(&anchored))
            }
        };
        let values = if closed { format!("Some(<{target} as OpenEnum>::VALUES)") } else { "None".to_owned() };
        let body = format!(
            "{}, pattern: {pattern}, values: {values}, sensitive: {}",
            sizes(shape),
            sensitive || shape.sensitive
        );
        Ok(Some(self.add(target, "Text", body)))
    }

    /// Adds a static of the shape's name. A shape that is sensitive in one member only gets a second one.
    fn add(&mut self, target: &str, kind: &'static str, body: String) -> String {
        let mut name = constant(target);
        while self.statics.get(&name).is_some_and(|(_, present)| *present != body) {
            name.push_str("_SENSITIVE");
        }
        self.statics.insert(name.clone(), (kind, body));
        name
    }
}

fn element<'a>(target: &str, part: &'a Option<Reference>) -> anyhow::Result<&'a Reference> {
    match part {
        Some(reference) => Ok(reference),
        None => bail!("{target} names no element"),
    }
}

fn reference(rule: Option<String>) -> String {
    rule.map_or("None".to_owned(), |rule| format!("Some(&{rule})"))
}

fn sizes(shape: &Shape) -> String {
    format!("min: {}, max: {}", size(shape.min), size(shape.max))
}

fn size(bound: Option<f64>) -> String {
    bound.map_or("None".to_owned(), |bound| format!("Some({bound})"))
}

fn number_bounds(shape: &Shape) -> String {
    let bound = |bound: Option<f64>| bound.map_or("None".to_owned(), |bound| format!("Some({bound:?})"));
    format!("min: {}, max: {}", bound(shape.min), bound(shape.max))
}

/// A raw string literal.
fn raw(text: &str) -> String {
    if text.contains('"') { format!("r#\"{text}\"#") } else { format!("r\"{text}\"") }
}
