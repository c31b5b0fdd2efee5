//! Rules for `Cargo.toml`: one place for versions, lints and facts, and that place is the workspace.
//!
//! The manifest of a workspace is that place and is not checked here: the root's, and that of a test's program which is a
//! workspace of its own because of what it would make everybody build. The sandbox crate alone may state its own lints,
//! because it alone may hold unsafe code.

use toml::{Table, Value};

use super::Finding;

/// What every package takes over from `[workspace.package]`.
const INHERITED: &[&str] = &["version", "edition", "rust-version", "license", "publish"];
const OWN_LINTS: &str = "crates/sandbox/Cargo.toml";
const DEPENDENCY_TABLES: &[&str] = &["dependencies", "dev-dependencies", "build-dependencies"];

/// Everything the rules have to say about one manifest.
pub fn check(file: &str, text: &str) -> Vec<Finding> {
    let manifest: Table = match toml::from_str(text) {
        Ok(manifest) => manifest,
        Err(error) => return vec![Finding::failure(file, 0, format!("not valid TOML: {error}"))],
    };
    if manifest.contains_key("workspace") {
        return Vec::new();
    }
    let mut problems = Vec::new();
    for key in INHERITED {
        if !manifest.get("package").and_then(|package| package.get(key)).is_some_and(is_inherited) {
            problems.push(format!("write `{key}.workspace = true`"));
        }
    }
    if !manifest.get("package").and_then(|package| package.get("description")).is_some_and(Value::is_str) {
        problems.push("say in `description` what the package is for".to_owned());
    }
    if file != OWN_LINTS && !manifest.get("lints").is_some_and(is_inherited) {
        problems.push("write `[lints] workspace = true`".to_owned());
    }
    let targets = manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values);
    for tables in targets.filter_map(Value::as_table).chain([&manifest]) {
        problems.extend(dependencies(tables));
    }
    problems.into_iter().map(|problem| Finding::failure(file, 0, problem)).collect()
}

fn dependencies(tables: &Table) -> Vec<String> {
    let declared = DEPENDENCY_TABLES.iter().filter_map(|name| tables.get(*name)?.as_table()).flatten();
    declared
        .filter(|(_, dependency)| !is_inherited(dependency))
        .map(|(name, _)| {
            format!("state the version of `{name}` in the workspace and write `{name}.workspace = true`")
        })
        .collect()
}

fn is_inherited(value: &Value) -> bool {
    value.get("workspace").and_then(Value::as_bool) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        [package]
        name = "dormouse-model"
        description = "The rules"
        version.workspace = true
        edition.workspace = true
        rust-version.workspace = true
        license.workspace = true
        publish.workspace = true
        [lints]
        workspace = true
        [dependencies]
        serde.workspace = true
        tokio = { workspace = true, features = ["fs"] }
    "#;

    fn check_manifest(text: &str, expected: &[&str]) {
        let findings = check("crates/model/Cargo.toml", text);
        let messages: Vec<&str> = findings.iter().map(|finding| finding.message.as_str()).collect();
        assert_eq!(messages, expected);
    }

    #[test]
    fn a_manifest_inherits_everything() {
        check_manifest(GOOD, &[]);
        check_manifest(
            &GOOD.replace("edition.workspace = true", "edition = \"2024\""),
            &["write `edition.workspace = true`"],
        );
        check_manifest(
            &GOOD.replace("[lints]\n        workspace = true", ""),
            &["write `[lints] workspace = true`"],
        );
        check_manifest(
            &GOOD.replace("description = \"The rules\"", ""),
            &["say in `description` what the package is for"],
        );
    }

    #[test]
    fn a_version_in_any_dependency_table_is_refused() {
        let advice = "state the version of `rand` in the workspace and write `rand.workspace = true`";
        for table in ["dependencies", "dev-dependencies", "target.'cfg(unix)'.dependencies"] {
            let text = if table == "dependencies" {
                format!("{GOOD}\n rand = \"1\"")
            } else {
                format!("{GOOD}\n [{table}]\n rand = {{ version = \"1\" }}")
            };
            check_manifest(&text, &[advice]);
        }
    }

    #[test]
    fn the_sandbox_alone_has_lints_of_its_own() {
        let text =
            GOOD.replace("[lints]\n        workspace = true", "[lints.rust]\n missing_docs = \"warn\"");
        assert_eq!(check(OWN_LINTS, &text), []);
        assert_eq!(check("crates/model/Cargo.toml", &text).len(), 1);
    }
}
