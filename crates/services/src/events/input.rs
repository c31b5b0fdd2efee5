//! What a target gets of an event: the whole, always the same, the part at a path, or a template filled with parts.
//!
//! Pure. Parts are given as they were written. In a template a name in angle brackets stands for its part: within
//! quotation marks as the inside of a JSON string, elsewhere as JSON. A part that was not found is an empty string. Source: EventBridge User Guide, "Amazon EventBridge input transformation".

use std::collections::BTreeMap;

use model::bus::TargetInput;
use serde_json::Value;

use super::path::{self, Reader};

/// The largest input that a template may make: as much as a queue takes.
pub(super) const BYTES_MAX: usize = model::sqs::MESSAGE_BYTES_MAX as usize;
/// Parts that one template may name (EventBridge API Reference, `InputPathsMap`).
const PATHS_MAX: usize = 100;
/// What names of parts may not begin with.
const RESERVED_PREFIX: &str = "aws.";
/// A part that was not found, as JSON.
const EMPTY: &str = "\"\"";
const RESERVED: [&str; 5] = [
    "aws.events.event",
    "aws.events.event.json",
    "aws.events.event.ingestion-time",
    "aws.events.rule-arn",
    "aws.events.rule-name",
];

/// An event with what templates may say of it.
pub(super) struct Source<'s, 'e> {
    /// The event.
    pub(super) event: &'s Reader<'e>,
    /// When it came.
    pub(super) ingested: &'s str,
    /// The rule that picked it.
    pub(super) rule_arn: &'s str,
    /// Its name.
    pub(super) rule: &'s str,
}

/// What a target gets. A template that grows beyond [`BYTES_MAX`] is filled no further.
pub(super) fn of(input: &TargetInput, source: &Source<'_, '_>) -> String {
    match input {
        TargetInput::Whole => source.event.text().to_owned(),
        TargetInput::Constant(json) => json.clone(),
        TargetInput::Path(path) if path == "$" => source.event.text().to_owned(),
        TargetInput::Path(path) => path::at(source.event, path).unwrap_or_else(|| "null".to_owned()),
        TargetInput::Template { paths, template } => {
            let mut known = BTreeMap::new();
            filled(template, |name| {
                known.entry(name.to_owned()).or_insert_with(|| part(name, paths, source)).clone()
            })
        }
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
        TargetInput::Path(path) => path::is_path(path)
            .then_some(())
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
        if !path::is_path(path) {
            return Err(format!("Invalid InputPathsMap for target {target}: invalid JSON path {path}."));
        }
    }
    let known = |name: &str| paths.contains_key(name) || RESERVED.contains(&name);
    if let Some(name) = names(template).find(|name| !known(name)) {
        return Err(format!("InputTemplate for target {target} contains invalid placeholder {name}."));
    }
    // Filled with something, it has to be JSON, line by line or as a whole.
    let sample = filled(template, |_| Some(EMPTY.to_owned()));
    let is_json = |text: &str| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    if is_json(&sample) || sample.lines().all(|line| line.trim().is_empty() || is_json(line)) {
        return Ok(());
    }
    Err(format!(
        "Invalid InputTemplate for target {target} : it is neither JSON nor strings in quotation marks."
    ))
}

/// A part, as JSON.
fn part(name: &str, paths: &BTreeMap<String, String>, source: &Source<'_, '_>) -> Option<String> {
    if let Some(path) = paths.get(name) {
        return Some(path::at(source.event, path).unwrap_or_else(|| EMPTY.to_owned()));
    }
    let text = |text: &str| Some(Value::from(text).to_string());
    match name {
        "aws.events.event" => {
            let around = path::members(source.event.text()).into_iter().filter(|(name, _)| name != "detail");
            let written = around.map(|(name, value)| format!("{}:{value}", Value::from(name)));
            Some(format!("{{{}}}", written.collect::<Vec<_>>().join(",")))
        }
        "aws.events.event.json" => Some(source.event.text().to_owned()),
        "aws.events.event.ingestion-time" => text(source.ingested),
        "aws.events.rule-arn" => text(source.rule_arn),
        "aws.events.rule-name" => text(source.rule),
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

/// The template with every name that has a part replaced by it, until it is too large.
fn filled(template: &str, mut part: impl FnMut(&str) -> Option<String>) -> String {
    let mut out = String::with_capacity(template.len());
    let (mut left, mut quoted, mut escaped) = (template, false, false);
    while let Some(char) = left.chars().next().filter(|_| out.len() <= BYTES_MAX) {
        if let Some((name, rest)) = placeholder(left)
            && let Some(json) = part(name)
        {
            push(&mut out, &json, quoted);
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
fn push(out: &mut String, json: &str, quoted: bool) {
    match json.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        _ if !quoted => out.push_str(json),
        Some(text) => out.push_str(text),
        None => {
            let escaped = Value::from(json).to_string();
            out.push_str(&escaped[1..escaped.len() - 1]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(input: &TargetInput) -> String {
        let text = concat!(
            r#"{"source":"aws.ec2","id":"1","detail":{"state":"RUN\"NING","n":5,"tags":[{"k":"a"},{"k":"b"}],"#,
            r#""o":{"x":"y","a":1.50},"id":123456789012345678901234567890}}"#
        );
        let ingested = "2026-01-02T03:04:05.678Z";
        let event = Reader::of(text);
        let source = Source { event: &event, ingested, rule_arn: "arn:rule", rule: "r" };
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
            ("$.detail['o']", "{\"x\":\"y\",\"a\":1.50}"),
            ("$.detail.id", "123456789012345678901234567890"),
            ("$.detail.o[*]", "[\"y\",1.50]"),
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
                "{\"state\":\"RUN\\\"NING\",\"n\":5,\"o\":{\"x\":\"y\",\"a\":1.50}}",
            ),
            ("{\"s\":\"<n> and <o>\"}", "{\"s\":\"5 and {\\\"x\\\":\\\"y\\\",\\\"a\\\":1.50}\"}"),
            ("{\"none\":<none>,\"s\":\"<none>\"}", "{\"none\":\"\",\"s\":\"\"}"),
            (
                "{\"a\":<aws.events.rule-arn>,\"r\":\"<aws.events.rule-name>\"}",
                "{\"a\":\"arn:rule\",\"r\":\"r\"}",
            ),
            ("{\"e\":<aws.events.event>}", "{\"e\":{\"source\":\"aws.ec2\",\"id\":\"1\"}}"),
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

    /// An event is read once, and not once for each of the paths into it.
    #[test]
    fn many_paths_into_a_large_event_cost_no_more_than_few() {
        let text = format!("{{\"detail\":{{\"a\":[{}0],\"z\":{{\"y\":1}}}}}}", "0,".repeat(200_000));
        let event = Reader::of(&text);
        let begun = std::time::Instant::now();
        let first = path::at(&event, "$.detail.z.y");
        let once = begun.elapsed();
        let begun = std::time::Instant::now();
        assert!((0..500).all(|number| path::at(&event, &format!("$.detail.z{number}")).is_none()));
        assert!(begun.elapsed() < 10 * once, "{:?} and {once:?}", begun.elapsed());
        assert_eq!((first.as_deref(), path::at(&event, "$.detail.z.y")), (Some("1"), Some("1".to_owned())));
    }

    /// Also of a small event, which is looked at on the thread that everybody shares.
    #[test]
    fn what_is_read_for_one_target_is_bounded_by_the_size_of_the_event() {
        let chain = format!("{}1{}", "[".repeat(100), "]".repeat(100));
        let text = format!("{{\"detail\":{{\"a\":[{}]}}}}", vec![chain.as_str(); 34].join(","));
        let event = Reader::of(&text);
        let (honest, deep) = ("$.detail.a[*][0][0]", format!("$.detail.a{}", "[*]".repeat(100)));
        assert!((0..100).all(|_| path::at(&event, honest).is_some()) && !event.is_exhausted());
        let begun = std::time::Instant::now();
        (0..1_000).for_each(|_| drop(path::at(&event, &deep)));
        assert!(event.is_exhausted() && begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
        event.begin_anew();
        assert!(!event.is_exhausted() && path::at(&event, honest).is_some());
    }

    /// A template of 8 KB could make gigabytes of an event.
    #[test]
    fn what_is_too_large_is_not_filled_to_its_end() {
        let text = format!("{{\"detail\":{{\"d\":\"{}\"}}}}", "x".repeat(100_000));
        let event = Reader::of(&text);
        let source = Source { event: &event, ingested: "", rule_arn: "", rule: "" };
        let paths = BTreeMap::from([("d".to_owned(), "$.detail".to_owned())]);
        let template = format!("[{}1]", "<d>,".repeat(1_900));
        let size = of(&TargetInput::Template { paths, template }, &source).len();
        assert!((BYTES_MAX + 1..BYTES_MAX + 100_100).contains(&size), "{size}");
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
