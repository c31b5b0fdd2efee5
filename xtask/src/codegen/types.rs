//! Emits one Rust type for each structure and enum. Every member is optional: what must be there is a constraint
//! of inputs, checked with AWS's words, not a matter of parsing.

use super::Source;
use super::model::{Kind, Model};
use super::names::{snake, variant};
use super::output::used;
use super::reach::is_sensitive;

pub(super) fn emit(source: &Source<'_>) -> anyhow::Result<String> {
    let mut code = String::new();
    for name in &source.reach.shapes {
        let shape = source.model.shape(name)?;
        code.push_str(&match shape.kind {
            Kind::Structure => structure(source, name)?,
            _ => open_enum(name, &shape.values),
        });
        code.push('\n');
    }
    let imports = [
        used(&code, "std::collections", &["BTreeMap"]),
        used(&code, "std", &["fmt"]),
        "\n".to_owned(),
        used(&code, "bytes", &["Bytes"]),
        used(&code, "model::time", &["Timestamp"]),
        "\n".to_owned(),
        used(&code, "crate::json", &["open_enum"]),
        used(&code, "crate::redacted", &["Redacted"]),
    ];
    Ok(format!("{}\n{code}", imports.concat()))
}

/// The Rust type of a shape.
pub(super) fn rust_type(model: &Model, name: &str) -> anyhow::Result<String> {
    let shape = model.shape(name)?;
    let part = |part: &Option<super::model::Reference>| match part {
        Some(reference) => rust_type(model, &reference.shape),
        None => anyhow::bail!("{name} names no element"),
    };
    Ok(match shape.kind {
        Kind::Structure => name.to_owned(),
        Kind::String if shape.is_enum() => name.to_owned(),
        Kind::String => "String".to_owned(),
        Kind::List => format!("Vec<{}>", part(&shape.member)?),
        Kind::Map => format!("BTreeMap<String, {}>", part(&shape.value)?),
        Kind::Blob => "Bytes".to_owned(),
        Kind::Boolean => "bool".to_owned(),
        Kind::Integer => "i32".to_owned(),
        Kind::Long => "i64".to_owned(),
        Kind::Double | Kind::Float => "f64".to_owned(),
        Kind::Timestamp => "Timestamp".to_owned(),
    })
}

fn structure(source: &Source<'_>, name: &str) -> anyhow::Result<String> {
    let members = source.model.shape(name)?.fields(source.model)?;
    let mut fields = String::new();
    let mut debug = String::new();
    let mut hides = false;
    for (member_name, member) in members {
        let field = snake(member_name);
        fields.push_str(&format!("pub {field}: Option<{}>,\n", rust_type(source.model, &member.shape)?));
        let sensitive = is_sensitive(source.service, source.model, name, member_name, member)?;
        hides |= sensitive;
        let shown = if sensitive {
            format!("&Redacted::of(self.{field}.as_ref())")
        } else {
            format!("&self.{field}")
        };
        debug.push_str(&format!(".field(\"{}\", {shown})", field.trim_start_matches("r#")));
    }
    let derive = if hides { "" } else { "Debug, " };
    let mut code =
        format!("#[derive({derive}Clone, Default, PartialEq)]\npub struct {name} {{\n{fields}}}\n");
    if hides {
        code.push_str(&format!(
            "\nimpl fmt::Debug for {name} {{\nfn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {{\n\
             f.debug_struct(\"{name}\"){debug}.finish()\n}}\n}}\n"
        ));
    }
    Ok(code)
}

fn open_enum(name: &str, values: &[String]) -> String {
    let variants: String =
        values.iter().map(|value| format!("    {} = {value:?},\n", variant(value))).collect();
    format!(
        "open_enum! {{\n    {name} {{\n    {}    }}\n}}\n",
        variants.replace('\n', "\n    ").trim_end_matches("    ")
    )
}
