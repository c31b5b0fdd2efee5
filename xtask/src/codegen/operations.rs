//! Emits the list of all operations of a `rest-json` service with their routes, and the sum of the served inputs,
//! over which a server matches without a wildcard. The parts that do not depend on the protocol serve `rpc` too.

use anyhow::Context;

use super::Source;

pub(super) fn emit(source: &Source<'_>) -> anyhow::Result<String> {
    let operations = &source.model.operations;
    let mut table = String::new();
    for (name, operation) in operations {
        let (segments, query) =
            template(&operation.http.request_uri).with_context(|| format!("read the route of {name}"))?;
        table.push_str(&format!(
            "Http {{ name: {name:?}, method: {:?}, uri: Template {{ segments: &[{segments}], query: &[{query}] }}, \
             status: {} }},\n",
            operation.http.method, operation.http.response_code
        ));
    }
    let (arms, variants) = served(source, "request");
    Ok(format!(
        "use super::types::*;\nuse crate::check::Refused;\n\
         use crate::rest_json::{{Call, Http, Labels, Request, Segment, Template, match_templates}};\n\n\
         {enumeration}\
         impl Operation {{\n\
         {all}\n\n\
         /// How the operation is called.\n#[must_use]\n\
         pub const fn http(self) -> &'static Http {{\n&HTTP[self as usize]\n}}\n\n\
         /// The operation's name.\n#[must_use]\n\
         pub const fn name(self) -> &'static str {{\nself.http().name\n}}\n}}\n\n\
         /// The operation that a request means, and the labels of its path.\n#[must_use]\n\
         pub fn route<'p>(method: &str, path: &'p str, query: &str) -> Option<(Operation, Labels<'p>)> {{\n\
         let (place, labels) = match_templates(&HTTP, method, path, query)?;\n\
         Some((Operation::ALL[place], labels))\n}}\n\n\
         {input_enum}\
         impl Input {{\n\
         /// Reads and checks the input of `operation`; `None` if the operation is not served.\n\
         #[must_use]\n\
         pub fn accept(operation: Operation, request: &Request<'_>) -> Option<Result<Input, Refused>> {{\n\
         Some(match operation {{\n{arms}}})\n}}\n}}\n\n\
         static HTTP: [Http; {count}] = [{table}];\n",
        enumeration = enumeration(source),
        all = all(source),
        input_enum = input_enum(&variants),
        count = operations.len(),
    ))
}

/// The operations as an enum.
pub(super) fn enumeration(source: &Source<'_>) -> String {
    let variants: String = source.model.operations.keys().map(|name| format!("{name},\n")).collect();
    format!(
        "/// Every operation of the service, served or not.\n\
         #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]\npub enum Operation {{\n{variants}}}\n\n"
    )
}

/// The operations as a constant.
pub(super) fn all(source: &Source<'_>) -> String {
    let operations = &source.model.operations;
    let names: String = operations.keys().map(|name| format!("Operation::{name}, ")).collect();
    format!(
        "/// All operations, in the order of their declaration.\n\
         pub const ALL: [Operation; {}] = [{names}];",
        operations.len()
    )
}

/// The sum of the served inputs.
pub(super) fn input_enum(variants: &str) -> String {
    format!(
        "/// The input of a served operation.\n\
         #[derive(Debug, Clone, PartialEq)]\npub enum Input {{\n{variants}}}\n\n"
    )
}

/// For each served operation the arm that accepts `from` as its input, and its variant in the sum of inputs.
pub(super) fn served(source: &Source<'_>, from: &str) -> (String, String) {
    let mut variants = String::new();
    let mut arms = String::new();
    for (input, operation) in &source.reach.inputs {
        variants.push_str(&format!("{operation}({input}),\n"));
        arms.push_str(&format!(
            "Operation::{operation} => {input}::accept({from}).map(Input::{operation}),\n"
        ));
    }
    if source.reach.inputs.len() < source.model.operations.len() {
        arms.push_str("_ => return None,\n");
    }
    (arms, variants)
}

/// The segments and the required query of a route, as Rust code.
fn template(uri: &str) -> anyhow::Result<(String, String)> {
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    let path = path.strip_prefix('/').context("a route begins with a slash")?;
    let mut segments = String::new();
    for segment in path.trim_end_matches('/').split('/') {
        let label = segment.strip_prefix('{').and_then(|label| label.strip_suffix('}'));
        segments.push_str(&match label.map(|label| (label, label.strip_suffix('+'))) {
            Some((_, Some(greedy))) => format!("Segment::Greedy({greedy:?}), "),
            Some((label, None)) => format!("Segment::Label({label:?}), "),
            None => format!("Segment::Literal({segment:?}), "),
        });
    }
    let mut pairs = String::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        pairs.push_str(&format!("({name:?}, {value:?}), "));
    }
    Ok((segments, pairs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_become_templates() {
        let (segments, query) = template("/a/{B}/{C+}?List=ALL").expect("a route");
        assert_eq!(segments, r#"Segment::Literal("a"), Segment::Label("B"), Segment::Greedy("C"), "#);
        assert_eq!(query, r#"("List", "ALL"), "#);
    }
}
