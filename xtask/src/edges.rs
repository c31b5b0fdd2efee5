//! Which of our crates may depend on which: the architecture's one-way edges, as data.
//!
//! The table is the rule and `ARCHITECTURE.md` explains it. Tests may go no further than code may, except by
//! the few edges listed as theirs. The second table keeps whole subjects out of a crate: no serialization in
//! the domain model, no HTTP in storage. Widening either table is a design decision, to be argued in the
//! change that does it.

use crate::metadata::{DependencyKind, Metadata};

/// `(crate, what it may depend on among ours)`. A crate of ours that is not listed is a violation.
const ALLOWED: &[(&str, &[&str])] = &[
    ("dormouse-model", &[]),
    // A language and its matcher, for whoever filters events.
    ("dormouse-pattern", &[]),
    // Threads, and whose turn it is on them.
    ("dormouse-aside", &[]),
    // Knows processes and limits, not functions: the address of all privilege and all unsafe code.
    ("dormouse-sandbox", &[]),
    // IAM's language: pure.
    ("dormouse-policy", &["dormouse-model"]),
    ("dormouse-wire", &["dormouse-model"]),
    ("dormouse-store", &["dormouse-model"]),
    ("dormouse-engine", &["dormouse-model", "dormouse-wire", "dormouse-sandbox"]),
    ("dormouse-control", &["dormouse-model", "dormouse-store", "dormouse-pattern", "dormouse-policy"]),
    // Reach functions through the `Invoke` port of `model`, never through `engine`.
    (
        "dormouse-triggers",
        &["dormouse-model", "dormouse-wire", "dormouse-store", "dormouse-pattern", "dormouse-aside"],
    ),
    (
        "dormouse-services",
        &[
            "dormouse-model",
            "dormouse-wire",
            "dormouse-store",
            "dormouse-pattern",
            "dormouse-aside",
            "dormouse-policy",
        ],
    ),
    ("dormouse-cluster", &["dormouse-model", "dormouse-store"]),
    // What operations mean lies in control and in services; the gateway routes to both.
    (
        "dormouse-gateway",
        &["dormouse-model", "dormouse-wire", "dormouse-policy", "dormouse-control", "dormouse-services"],
    ),
    ("dormouse-cli", &["dormouse-model", "dormouse-wire"]),
    ("dormouse-testkit", &["dormouse-model", "dormouse-store", "dormouse-sandbox"]),
    // The composition: the only crate that knows every other.
    (
        "dormouse",
        &[
            "dormouse-model",
            "dormouse-pattern",
            "dormouse-aside",
            "dormouse-wire",
            "dormouse-policy",
            "dormouse-store",
            "dormouse-sandbox",
            "dormouse-engine",
            "dormouse-control",
            "dormouse-triggers",
            "dormouse-services",
            "dormouse-cluster",
            "dormouse-gateway",
            "dormouse-cli",
        ],
    ),
    // Measures the parts as well as the whole; nothing depends on it.
    (
        "bench",
        &[
            "dormouse-model",
            "dormouse-wire",
            "dormouse-store",
            "dormouse-sandbox",
            "dormouse-engine",
            "dormouse-control",
        ],
    ),
    ("rust-hello", &[]),
    ("xtask", &[]),
];

/// `(crate, what its tests alone may also depend on)`.
const ALLOWED_IN_TESTS: &[(&str, &[&str])] = &[
    ("dormouse-engine", &["dormouse-testkit"]),
    ("dormouse-control", &["dormouse-testkit"]),
    ("dormouse-store", &["dormouse-testkit"]),
    ("dormouse-gateway", &["dormouse-testkit", "dormouse-store", "dormouse-triggers", "dormouse-aside"]),
];

/// `(crate, public crates that it must not ask for itself)`: subjects that are not its business.
const KEPT_OUT: &[(&str, &[&str])] = &[
    ("dormouse-aside", &["serde", "serde_json", "hyper", "http", "rusqlite", "libc"]),
    ("dormouse-policy", &["tokio", "hyper", "http", "rusqlite", "rustix", "libc"]),
    ("dormouse-model", &["serde", "serde_json", "tokio", "hyper", "http", "rusqlite", "rustix", "libc"]),
    ("dormouse-sandbox", &["serde_json", "hyper", "http", "rusqlite", "anyhow"]),
    ("dormouse-wire", &["rusqlite", "rustix", "libc", "anyhow"]),
    ("dormouse-store", &["hyper", "http", "anyhow"]),
    ("dormouse-control", &["hyper", "hyper-util", "rusqlite", "anyhow"]),
    ("dormouse-engine", &["rusqlite", "anyhow"]),
    ("dormouse-gateway", &["rusqlite", "anyhow"]),
];

/// What breaks the rules, one sentence each; empty when all is well.
pub fn violations(metadata: &Metadata) -> Vec<String> {
    let mut found = Vec::new();
    for package in metadata.packages.iter().filter(|package| package.is_ours()) {
        let Some(allowed) = row(ALLOWED, &package.name) else {
            found.push(format!("{} is not in the table of allowed edges (xtask/src/edges.rs)", package.name));
            continue;
        };
        for dependency in &package.dependencies {
            let in_tests = dependency.kind == Some(DependencyKind::Dev);
            let also = if in_tests { row(ALLOWED_IN_TESTS, &package.name).unwrap_or(&[]) } else { &[] };
            let ours = row(ALLOWED, &dependency.name).is_some();
            if ours && !allowed.iter().chain(also).any(|name| *name == dependency.name) {
                let scope = if in_tests { "in its tests" } else { "in its code" };
                found.push(format!("{} must not depend on {} {scope}", package.name, dependency.name));
            }
            let kept_out = row(KEPT_OUT, &package.name).unwrap_or(&[]);
            if !in_tests && kept_out.contains(&dependency.name.as_str()) {
                found.push(format!("{} must not use {}: not its subject", package.name, dependency.name));
            }
        }
    }
    found
}

fn row<'t>(table: &[(&str, &'t [&'t str])], name: &str) -> Option<&'t [&'t str]> {
    table.iter().find(|(crate_name, _)| *crate_name == name).map(|(_, names)| *names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::{self, Dependency, Package};

    fn package(name: &str, depends_on: &[(&str, Option<DependencyKind>)]) -> Package {
        Package {
            name: name.to_owned(),
            version: "0.1.0".to_owned(),
            license: None,
            source: None,
            dependencies: depends_on
                .iter()
                .map(|(name, kind)| Dependency { name: (*name).to_owned(), kind: *kind })
                .collect(),
        }
    }

    fn check(name: &str, depends_on: &[(&str, Option<DependencyKind>)], expected: &[&str]) {
        let metadata = Metadata { packages: vec![package(name, depends_on)] };
        assert_eq!(violations(&metadata), expected);
    }

    #[test]
    fn the_workspace_has_only_allowed_edges() {
        let metadata = metadata::read().unwrap();
        assert!(metadata.packages.iter().any(|package| package.name == "dormouse-model"));
        assert_eq!(violations(&metadata), [""; 0]);
    }

    #[test]
    fn the_table_itself_has_no_cycle() {
        // Repeatedly removing crates that depend on nothing left must remove them all.
        let mut left: Vec<_> = ALLOWED.to_vec();
        while !left.is_empty() {
            let names: Vec<&str> = left.iter().map(|(name, _)| *name).collect();
            let before = left.len();
            left.retain(|(_, edges)| edges.iter().any(|edge| names.contains(edge)));
            assert!(left.len() < before, "a cycle among {names:?}");
        }
    }

    #[test]
    fn a_new_edge_is_refused_unless_listed() {
        check("dormouse-wire", &[("dormouse-model", None)], &[]);
        check(
            "dormouse-gateway",
            &[("dormouse-engine", None)],
            &["dormouse-gateway must not depend on dormouse-engine in its code"],
        );
        check(
            "dormouse-gateway",
            &[("dormouse-store", None)],
            &["dormouse-gateway must not depend on dormouse-store in its code"],
        );
        check("dormouse-gateway", &[("dormouse-store", Some(DependencyKind::Dev))], &[]);
    }

    #[test]
    fn a_subject_is_kept_out_of_code_and_let_into_tests() {
        check("dormouse-model", &[("serde", None)], &["dormouse-model must not use serde: not its subject"]);
        check("dormouse-model", &[("serde", Some(DependencyKind::Dev))], &[]);
    }

    #[test]
    fn an_unlisted_crate_of_ours_is_refused() {
        check(
            "dormouse-utils",
            &[],
            &["dormouse-utils is not in the table of allowed edges (xtask/src/edges.rs)"],
        );
    }
}
