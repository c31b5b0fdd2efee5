//! Answers as XML: the JSON of an output, written by its form.
//!
//! What XML 1.0 cannot hold (control characters) is left out, so that every answer can be read.

use serde_json::{Map, Value};

use super::form::Form;

/// Appends `<name>text</name>`.
pub(super) fn element(name: &str, text: &str, out: &mut String) {
    open(name, out);
    escape(text, out);
    close(name, out);
}

pub(super) fn open(name: &str, out: &mut String) {
    out.push('<');
    out.push_str(name);
    out.push('>');
}

pub(super) fn close(name: &str, out: &mut String) {
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}

/// Appends a value as an element.
pub(super) fn write(name: &str, value: &Value, form: &Form, out: &mut String) {
    open(name, out);
    content(value, form, out);
    close(name, out);
}

/// Appends what stands in a value's element.
pub(super) fn content(value: &Value, form: &Form, out: &mut String) {
    match (form, value) {
        (Form::Structure(members), Value::Object(object)) => {
            for (name, form) in *members {
                if let Some(value) = object.get(*name).filter(|value| !value.is_null()) {
                    member(name, value, form, out);
                }
            }
        }
        (Form::List(element), Value::Array(items)) => {
            items.iter().for_each(|item| write("member", item, element, out));
        }
        (Form::Map(names, element), Value::Object(object)) => {
            entries("entry", *names, object, element, out);
        }
        (Form::Time, Value::Number(seconds)) => escape(&time(seconds.as_f64()), out),
        (_, Value::String(text)) => escape(text, out),
        (_, scalar) => escape(&scalar.to_string(), out),
    }
}

/// Appends a member of a structure: an element, or several side by side.
fn member(name: &str, value: &Value, form: &Form, out: &mut String) {
    match (form, value) {
        (Form::FlatList(flat, element), Value::Array(items)) => {
            items.iter().for_each(|item| write(flat, item, element, out));
        }
        (Form::FlatMap(flat, names, element), Value::Object(object)) => {
            entries(flat, *names, object, element, out);
        }
        _ => write(name, value, form, out),
    }
}

fn entries(
    name: &str,
    [key_name, value_name]: [&str; 2],
    object: &Map<String, Value>,
    form: &Form,
    out: &mut String,
) {
    for (key, value) in object {
        open(name, out);
        element(key_name, key, out);
        write(value_name, value, form, out);
        close(name, out);
    }
}

/// Whole seconds, as these services write times.
fn time(seconds: Option<f64>) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "a float becomes the nearest number there is")]
    let seconds = seconds.unwrap_or_default().floor() as i64;
    let text = crate::time::rfc3339(model::time::Timestamp::from_millis(seconds.saturating_mul(1_000)));
    match text.split_once('.') {
        Some((whole, _)) => format!("{whole}Z"),
        None => text,
    }
}

fn escape(text: &str, out: &mut String) {
    for character in text.chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            // Would be read as a line feed.
            '\r' => out.push_str("&#xD;"),
            '\n' | '\t' => out.push(character),
            '\u{FFFE}' | '\u{FFFF}' => {}
            other if other < ' ' => {}
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_written_by_its_form() {
        static TAGS: Form = Form::List(&Form::Text);
        static COUNTS: Form = Form::Map(["key", "value"], &Form::Whole);
        static USER: Form = Form::Structure(&[
            ("Name", &Form::Text),
            ("At", &Form::Time),
            ("On", &Form::Truth),
            ("Tags", &TAGS),
            ("Counts", &COUNTS),
            ("Missing", &Form::Text),
        ]);
        let value = serde_json::json!({
            "Name": "a<b>&\"c\"\u{0}\r\n", "At": 1_767_225_600.75, "On": false, "Tags": ["x", ""], "Counts": {"n": 2}
        });
        let mut out = String::new();
        write("User", &value, &USER, &mut out);
        assert_eq!(
            out,
            "<User><Name>a&lt;b&gt;&amp;&quot;c&quot;&#xD;\n</Name><At>2026-01-01T00:00:00Z</At><On>false</On>\
             <Tags><member>x</member><member></member></Tags>\
             <Counts><entry><key>n</key><value>2</value></entry></Counts></User>"
        );
    }
}
