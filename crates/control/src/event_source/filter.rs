//! Whether a filter is a pattern: JSON in the form that event filtering understands.
//!
//! Pure. Matching records belongs to whoever fetches them.
//! Source: Lambda Developer Guide, "Control which events Lambda sends to your function", filter rule syntax.

use crate::policy::json::Json;

/// Comparisons that may stand in a list instead of a plain value.
const COMPARISONS: [&str; 6] =
    ["prefix", "suffix", "equals-ignore-case", "anything-but", "numeric", "exists"];

/// Whether a text is a pattern.
pub(super) fn is_pattern(text: &str) -> bool {
    Json::parse(text).is_ok_and(|pattern| is_object(&pattern))
}

/// An object whose members say what the record's members must be.
fn is_object(pattern: &Json) -> bool {
    let Json::Object(members) = pattern else { return false };
    !members.is_empty()
        && members.iter().all(|(name, value)| match value {
            Json::List(choices) if name == "$or" => {
                choices.len() > 1 && choices.iter().all(|choice| is_object(choice) || is_match(choice))
            }
            Json::List(choices) => !choices.is_empty() && choices.iter().all(is_match),
            other => is_object(other),
        })
}

fn is_match(choice: &Json) -> bool {
    match choice {
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) => true,
        Json::List(_) => false,
        Json::Object(members) => match members.as_slice() {
            [(name, value)] => COMPARISONS.contains(&name.as_str()) && is_comparison(name, value),
            _ => false,
        },
    }
}

fn is_comparison(name: &str, value: &Json) -> bool {
    let is_plain = |value: &Json| matches!(value, Json::Text(_) | Json::Number(_));
    match (name, value) {
        ("exists", Json::Bool(_)) => true,
        ("prefix" | "suffix" | "equals-ignore-case", Json::Text(_)) => true,
        ("anything-but", Json::List(values)) => !values.is_empty() && values.iter().all(is_plain),
        ("anything-but", Json::Object(members)) => {
            matches!(members.as_slice(), [(name, Json::Text(_))] if name == "prefix" || name == "suffix")
        }
        ("anything-but", value) => is_plain(value),
        ("numeric", Json::List(terms)) => is_range(terms),
        _ => false,
    }
}

/// One comparison with a number, or a lower and an upper bound.
fn is_range(terms: &[Json]) -> bool {
    let sign = |term: &Json| match term {
        Json::Text(sign) => Some(sign.clone()),
        _ => None,
    };
    match terms {
        [one, Json::Number(_)] => {
            sign(one).is_some_and(|one| ["=", "<", "<=", ">", ">="].contains(&one.as_str()))
        }
        [low, Json::Number(_), high, Json::Number(_)] => {
            sign(low).is_some_and(|low| low == ">" || low == ">=")
                && sign(high).is_some_and(|high| high == "<" || high == "<=")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_told_from_what_is_none() {
        for good in [
            r#"{"body":["a"]}"#,
            r#"{"body":{"n":[1,null,true,""]}}"#,
            r#"{"a":[{"numeric":[">",0,"<=",5]}],"b":[{"exists":false}]}"#,
            r#"{"a":[{"prefix":"x"},{"suffix":"y"},{"equals-ignore-case":"z"}]}"#,
            r#"{"a":[{"anything-but":["x",1]},{"anything-but":{"prefix":"x"}}]}"#,
            r#"{"$or":[{"a":["x"]},{"b":["y"]}]}"#,
        ] {
            assert!(is_pattern(good), "{good}");
        }
        for bad in [
            "",
            "{",
            "{}",
            "[]",
            "\"a\"",
            r#"{"a":"x"}"#,
            r#"{"a":[]}"#,
            r#"{"a":{}}"#,
            r#"{"a":[["x"]]}"#,
            r#"{"a":[{"wildcard":"x"}]}"#,
            r#"{"a":[{"numeric":["~",1]}]}"#,
            r#"{"a":[{"numeric":["<",1,">",0]}]}"#,
            r#"{"a":[{"exists":"yes"}]}"#,
            r#"{"$or":[{"a":["x"]}]}"#,
            r#"{"a":["x"],"a":["y"]}"#,
        ] {
            assert!(!is_pattern(bad), "{bad}");
        }
    }
}
