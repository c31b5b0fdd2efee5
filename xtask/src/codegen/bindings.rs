//! Emits where each member of an operation's input and output travels in `rest-json`: path, query, header, status,
//! JSON body or raw body. A stream of events is announced by its content type and sent by the server.

use anyhow::{Context, bail};

use super::Source;
use super::json::body_members;
use super::model::{Kind, Location, Shape};
use super::names::snake;
use super::output::used;

pub(super) fn emit(source: &Source<'_>) -> anyhow::Result<String> {
    let mut code = String::new();
    for (input, operation) in &source.reach.inputs {
        let output = source.model.operations[operation].output.as_ref();
        let output = output.map_or("()", |output| &output.shape);
        code.push_str(&call(source, input, operation, output).with_context(|| format!("bind {input}"))?);
    }
    for output in &source.reach.outputs {
        code.push_str(&reply(source, output).with_context(|| format!("bind {output}"))?);
    }
    let protocol = ["Call", "ClientRequest", "Http", "Output", "Reply", "Request", "ToText"];
    let imports = used(&code, "crate::rest_json", &protocol);
    Ok(format!(
        "use super::operations::Operation;\nuse super::types::*;\nuse crate::json::Malformed;\n{imports}\n{code}"
    ))
}

/// The fields that reading sets and the lines that write them.
#[derive(Default)]
struct Lines {
    read: String,
    write: String,
}

impl Lines {
    fn add(&mut self, read: String, write: String) {
        self.read.push_str(&read);
        self.write.push_str(&write);
    }

    /// The value that reading gives; `document` reads the members of the body.
    fn value(&self, shape: &Shape, document: &str) -> String {
        match (self.read.is_empty(), body_members(shape).is_empty()) {
            (true, false) => document.to_owned(),
            (_, true) => format!("Ok(Self {{ {} }})", self.read),
            (false, false) => format!("Ok(Self {{ {} ..{document}? }})", self.read),
        }
    }
}

fn call(source: &Source<'_>, input: &str, operation: &str, output: &str) -> anyhow::Result<String> {
    let shape = source.model.shape(input)?;
    let mut lines = Lines::default();
    let mut labels = String::new();
    if shape.fields(source.model)?.len() < shape.members.0.len() {
        bail!("a stream of events in an input");
    }
    for (name, member) in &shape.members.0 {
        let field = snake(name);
        let wire = member.location_name.as_deref().unwrap_or(name);
        let list = source.model.shape(&member.shape)?.kind == Kind::List;
        match member.location {
            Some(Location::Uri) => {
                lines.read.push_str(&format!("{field}: request.label({wire:?})?,\n"));
                labels.push_str(&format!("{wire:?} => self.{field}.as_ref().map(ToText::to_text),\n"));
            }
            Some(Location::Query) => {
                let method = if list { "query_list" } else { "query" };
                lines.add(
                    format!("{field}: request.{method}({wire:?})?,\n"),
                    format!("request.{method}({wire:?}, self.{field}.as_ref());\n"),
                );
            }
            Some(Location::Header) => {
                let wire = wire.to_lowercase();
                lines.add(
                    format!("{field}: request.header({wire:?})?,\n"),
                    format!("request.header({wire:?}, self.{field}.as_ref());\n"),
                );
            }
            Some(Location::StatusCode) => bail!("{name} of an input is bound to the status"),
            None if shape.payload.as_ref() == Some(name) => {
                let (read, write) = match source.model.shape(&member.shape)?.kind {
                    Kind::Structure => ("whole_document()?", "whole_document"),
                    _ => ("payload()", "payload"),
                };
                lines.add(
                    format!("{field}: request.{read},\n"),
                    format!("request.{write}(self.{field}.as_ref());\n"),
                );
            }
            None => {}
        }
    }
    if !body_members(shape).is_empty() {
        lines.write.push_str("request.document(self);\n");
    }
    let label = if labels.is_empty() {
        "|_| String::new()".to_owned()
    } else {
        format!("|label| match label {{\n{labels}_ => None,\n}}.unwrap_or_default()")
    };
    let new = format!("ClientRequest::new(Self::HTTP, {label})");
    let request = if lines.write.is_empty() {
        new
    } else {
        format!("let mut request = {new};\n{}request", lines.write)
    };
    let read = lines.value(shape, "request.document()");
    let from = if read.contains("request.") { "request" } else { "_" };
    Ok(format!(
        "impl Call for {input} {{\n\
         type Output = {output};\n\
         const HTTP: &'static Http = Operation::{operation}.http();\n\n\
         fn read({from}: &Request<'_>) -> Result<Self, Malformed> {{\n{read}\n}}\n\n\
         fn to_request(&self) -> ClientRequest {{\n{request}\n}}\n}}\n\n"
    ))
}

fn reply(source: &Source<'_>, output: &str) -> anyhow::Result<String> {
    let shape = source.model.shape(output)?;
    let mut lines = Lines::default();
    let fields = shape.fields(source.model)?;
    if fields.len() < shape.members.0.len() {
        lines.write.push_str("reply.event_stream();\n");
    }
    for (name, member) in fields {
        let field = snake(name);
        let wire = member.location_name.as_deref().unwrap_or(name).to_lowercase();
        match member.location {
            Some(Location::StatusCode) => lines.add(
                format!("{field}: reply.read_status(),\n"),
                format!("reply.status_member(self.{field});\n"),
            ),
            Some(Location::Header) => lines.add(
                format!("{field}: reply.read_header({wire:?})?,\n"),
                format!("reply.header({wire:?}, self.{field}.as_ref());\n"),
            ),
            Some(other) => bail!("{name} of an output is bound to {other:?}"),
            None if shape.payload.as_ref() == Some(name) => lines.add(
                format!("{field}: reply.read_payload(),\n"),
                format!("reply.payload(self.{field}.as_ref());\n"),
            ),
            None => {}
        }
    }
    if !body_members(shape).is_empty() {
        lines.write.push_str("reply.document(self);\n");
    }
    let read = lines.value(shape, "reply.read_document()");
    let from = if read.contains("reply.") { "reply" } else { "_" };
    let write = match lines.write.as_str() {
        "" => "Reply::new(http)".to_owned(),
        write => format!("let mut reply = Reply::new(http);\n{write}reply"),
    };
    Ok(format!(
        "impl Output for {output} {{\n\
         fn reply(&self, http: &Http) -> Reply {{\n{write}\n}}\n\n\
         fn read({from}: &Reply) -> Result<Self, Malformed> {{\n{read}\n}}\n}}\n\n"
    ))
}
