//! What a target gets of an event: the whole, always the same, the part at a path, or a template filled with parts.
//!
//! Pure. A path is `$` with `.name`, `[index]` and `[*]`; what it does not find is nothing. In a template a name in angle
//! brackets stands for its part: within quotation marks as the inside of a JSON string, elsewhere as JSON. A part that was
//! not found is an empty string. Source: EventBridge User Guide, "Amazon EventBridge input transformation".

use std::collections::BTreeMap;

use model::bus::TargetInput;
use serde_json::Value;

/// Parts that one template may name (EventBridge API Reference, `InputPathsMap`).
const PATHS_MAX: usize = 100;
/// What names of parts may not begin with.
const RESERVED_PREFIX: &str = "aws.";
const RESERVED: [&str; 5] = [
    "aws.events.event",
    "aws.events.event.json",
    "aws.events.event.ingestion-time",
    "aws.events.rule-arn",
    "aws.events.rule-name",
];

/// An event with what templates may say of it.
pub(super) struct Source<'e> {
    /// The event.
    pub(super) event: &'e Value,
    /// The same as it was written.
    pub(super) text: &'e str,
    /// When it came.
    pub(super) ingested: &'e str,
    /// The rule that picked it.
    pub(super) rule_arn: &'e str,
    /// Its name.
    pub(super) rule: &'e str,
}

/// What a target gets.
pub(super) fn of(input: &TargetInput, source: &Source<'_>) -> String {
    match input {
        TargetInput::Whole => source.text.to_owned(),
        TargetInput::Constant(json) => json.clone(),
        TargetInput::Path(path) if path == "$" => source.text.to_owned(),
        TargetInput::Path(path) => at(source.event, path).unwrap_or(Value::Null).to_string(),
        TargetInput::Template { paths, template } => filled(template, |name| part(name, paths, source)),
    }
}

/// Checks what a target is to get.
///
/// # Errors
/// What is wrong with it, for the target of this id.
pub(super) fn check(input: &TargetInput, target: &str) -> Result<(), String> {
    match input {
        TargetInput::Whole => Ok(()),
        TargetInput::Constant(json) => serde_json::from_str::<serde::de::IgnoredAny>(json)
            .map(drop)
            .map_err(|_| format!("JSON syntax error in input for target {target}.")),
        TargetInput::Path(path) => steps(path)
            .map(drop)
            .ok_or_else(|| format!("Invalid InputPath for target {target}. Reason: Invalid JSON path.")),
        TargetInput::Template { paths, template } => check_template(paths, template, target),
    }
}

fn check_template(paths: &BTreeMap<String, String>, template: &str, target: &str) -> Result<(), String> {
    if paths.len() > PATHS_MAX {
        return Err(format!("InputPathsMap for target {target} has more than {PATHS_MAX} entries."));
    }
    for (name, path) in paths {
        if name.to_ascii_lowercase().starts_with(RESERVED_PREFIX) || !name.chars().all(is_of_name) {
            return Err(format!("Invalid InputPathsMap for target {target}: invalid key {name}."));
        }
        if steps(path).is_none() {
            return Err(format!("Invalid InputPathsMap for target {target}: invalid JSON path {path}."));
        }
    }
    let known = |name: &str| paths.contains_key(name) || RESERVED.contains(&name);
    if let Some(name) = names(template).find(|name| !known(name)) {
        return Err(format!("InputTemplate for target {target} contains invalid placeholder {name}."));
    }
    // Filled with something, it has to be JSON, line by line or as a whole.
    let sample = filled(template, |_| Some(Value::from("0")));
    let is_json = |text: &str| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    if is_json(&sample) || sample.lines().all(|line| line.trim().is_empty() || is_json(line)) {
        return Ok(());
    }
    Err(format!(
        "Invalid InputTemplate for target {target} : it is neither JSON nor strings in quotation marks."
    ))
}

enum Step<'p> {
    Name(&'p str),
    Index(usize),
    All,
}

fn steps(path: &str) -> Option<Vec<Step<'_>>> {
    let mut left = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !left.is_empty() {
        if let Some(inside) = left.strip_prefix('[') {
            let (index, rest) = inside.split_once(']')?;
            let quoted = index.strip_prefix('\'').and_then(|name| name.strip_suffix('\''));
            steps.push(match (index, quoted) {
                ("*", _) => Step::All,
                (_, Some(name)) if !name.is_empty() => Step::Name(name),
                _ => Step::Index(index.parse().ok()?),
            });
            left = rest;
        } else {
            let name = left.strip_prefix('.')?;
            let end = name.find(['.', '[']).unwrap_or(name.len());
            steps.push(match &name[..end] {
                "" => return None,
                "*" => Step::All,
                name => Step::Name(name),
            });
            left = &name[end..];
        }
    }
    Some(steps)
}

/// What stands at a path; behind `[*]`, the list of all that is found.
fn at(value: &Value, path: &str) -> Option<Value> {
    let steps = steps(path)?;
    let several = steps.iter().any(|step| matches!(step, Step::All));
    let mut found = vec![value];
    for step in &steps {
        found = found.into_iter().flat_map(|value| inside(value, step)).collect();
    }
    if several { Some(found.into_iter().cloned().collect()) } else { found.first().copied().cloned() }
}

fn inside<'v>(value: &'v Value, step: &Step<'_>) -> Vec<&'v Value> {
    match (step, value) {
        (Step::Name(name), value) => value.get(*name).into_iter().collect(),
        (Step::Index(index), value) => value.get(*index).into_iter().collect(),
        (Step::All, Value::Array(items)) => items.iter().collect(),
        (Step::All, Value::Object(members)) => members.values().collect(),
        (Step::All, _) => Vec::new(),
    }
}

fn part(name: &str, paths: &BTreeMap<String, String>, source: &Source<'_>) -> Option<Value> {
    if let Some(path) = paths.get(name) {
        return Some(at(source.event, path).unwrap_or_else(|| Value::from("")));
    }
    match name {
        "aws.events.event" => {
            let mut event = source.event.clone();
            event.as_object_mut()?.remove("detail");
            Some(event)
        }
        "aws.events.event.json" => Some(source.event.clone()),
        "aws.events.event.ingestion-time" => Some(source.ingested.into()),
        "aws.events.rule-arn" => Some(source.rule_arn.into()),
        "aws.events.rule-name" => Some(source.rule.into()),
        _ => None,
    }
}

fn is_of_name(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.')
}

/// The name in angle brackets that a text begins with, and what follows.
fn placeholder(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.strip_prefix('<')?.split_once('>')?;
    (!name.is_empty() && name.chars().all(is_of_name)).then_some((name, rest))
}

fn names(template: &str) -> impl Iterator<Item = &str> {
    template.match_indices('<').filter_map(|(at, _)| placeholder(&template[at..]).map(|(name, _)| name))
}

/// The template with every name that has a part replaced by it.
fn filled(template: &str, part: impl Fn(&str) -> Option<Value>) -> String {
    let mut out = String::with_capacity(template.len());
    let (mut left, mut quoted, mut escaped) = (template, false, false);
    while let Some(char) = left.chars().next() {
        if let Some((name, rest)) = placeholder(left)
            && let Some(value) = part(name)
        {
            push(&mut out, &value, quoted);
            left = rest;
            continue;
        }
        if char == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = char == '\\' && !escaped;
        out.push(char);
        left = &left[char.len_utf8()..];
    }
    out
}

/// A part as JSON, or as the inside of a string.
fn push(out: &mut String, value: &Value, quoted: bool) {
    let json = value.to_string();
    match (quoted, value) {
        (false, _) => out.push_str(&json),
        (true, Value::String(_)) => out.push_str(&json[1..json.len() - 1]),
        (true, _) => {
            let escaped = Value::String(json).to_string();
            out.push_str(&escaped[1..escaped.len() - 1]);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn get(input: &TargetInput) -> String {
        let event = json!({
            "id": "1", "source": "aws.ec2",
            "detail": {"state": "RUN\"NING", "n": 5, "tags": [{"k": "a"}, {"k": "b"}], "o": {"x": "y"}},
        });
        let text = event.to_string();
        let source = Source {
            event: &event,
            text: &text,
            ingested: "2026-01-02T03:04:05.678Z",
            rule_arn: "arn:rule",
            rule: "r",
        };
        of(input, &source)
    }

    fn template(template: &str) -> TargetInput {
        let paths = [
            ("state", "$.detail.state"),
            ("n", "$.detail.n"),
            ("o", "$.detail.o"),
            ("none", "$.detail.none"),
        ];
        let paths = paths.into_iter().map(|(name, path)| (name.to_owned(), path.to_owned())).collect();
        TargetInput::Template { paths, template: template.to_owned() }
    }

    #[test]
    fn parts_are_found_by_paths() {
        for (path, expected) in [
            ("$.detail.n", "5"),
            ("$.detail.tags[1].k", "\"b\""),
            ("$.detail.tags[*].k", "[\"a\",\"b\"]"),
            ("$.detail['o']", "{\"x\":\"y\"}"),
            ("$.detail.tags[7]", "null"),
            ("$.none.at.all", "null"),
        ] {
            assert_eq!(get(&TargetInput::Path(path.to_owned())), expected, "{path}");
        }
        for bad in ["", "detail", "$detail", "$.", "$.a..b", "$.a[", "$.a[x]", "$[]"] {
            assert!(check(&TargetInput::Path(bad.to_owned()), "t").is_err(), "{bad}");
        }
    }

    #[test]
    fn templates_are_filled() {
        for (text, expected) in [
            ("\"it is <state>\"", "\"it is RUN\\\"NING\""),
            (
                "{\"state\":<state>,\"n\":<n>,\"o\":<o>}",
                "{\"state\":\"RUN\\\"NING\",\"n\":5,\"o\":{\"x\":\"y\"}}",
            ),
            ("{\"s\":\"<n> and <o>\"}", "{\"s\":\"5 and {\\\"x\\\":\\\"y\\\"}\"}"),
            ("{\"none\":<none>,\"s\":\"<none>\"}", "{\"none\":\"\",\"s\":\"\"}"),
            (
                "{\"a\":<aws.events.rule-arn>,\"r\":\"<aws.events.rule-name>\"}",
                "{\"a\":\"arn:rule\",\"r\":\"r\"}",
            ),
            ("{\"e\":<aws.events.event>}", "{\"e\":{\"id\":\"1\",\"source\":\"aws.ec2\"}}"),
            ("[<aws.events.event.ingestion-time>]", "[\"2026-01-02T03:04:05.678Z\"]"),
            ("\"a\"\n\"b <n>\"", "\"a\"\n\"b 5\""),
            ("\"1 < 2 \\\" <n>\"", "\"1 < 2 \\\" 5\""),
        ] {
            let input = template(text);
            assert_eq!(check(&input, "t"), Ok(()), "{text}");
            assert_eq!(get(&input), expected, "{text}");
        }
        assert!(get(&template("{\"e\":<aws.events.event.json>}")).contains("\"detail\":{"));
    }

    #[test]
    fn what_cannot_be_filled_is_refused() {
        for (text, expected) in [
            ("\"<else>\"", "InputTemplate for target t contains invalid placeholder else."),
            (
                "\"<aws.events.other>\"",
                "InputTemplate for target t contains invalid placeholder aws.events.other.",
            ),
            (
                "plain <n>",
                "Invalid InputTemplate for target t : it is neither JSON nor strings in quotation marks.",
            ),
        ] {
            assert_eq!(check(&template(text), "t"), Err(expected.to_owned()), "{text}");
        }
        assert!(check(&TargetInput::Constant("{".to_owned()), "t").is_err());
        let reserved = BTreeMap::from([("AWS.x".to_owned(), "$.a".to_owned())]);
        assert!(check(&TargetInput::Template { paths: reserved, template: "1".to_owned() }, "t").is_err());
    }
}
