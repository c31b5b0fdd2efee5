//! The workspace as `cargo metadata` describes it: packages, their licences, and who depends on whom.
//!
//! Only the fields that our checks read are declared. The lock file is taken as it is (`--locked`), so a
//! check never changes what would be built.

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::repo;

/// Everything that can be built here: our own packages and all they depend on.
#[derive(Debug, Deserialize)]
pub struct Metadata {
    /// Every package of the resolved graph, ours included.
    pub packages: Vec<Package>,
}

/// One package of the graph.
#[derive(Debug, Deserialize)]
pub struct Package {
    /// Its name, such as `dormouse-model`.
    pub name: String,
    /// Its version, for messages.
    pub version: String,
    /// Its SPDX licence expression, where it states one.
    pub license: Option<String>,
    /// Where it was downloaded from; absent for our own packages.
    pub source: Option<String>,
    /// What its manifest asks for.
    pub dependencies: Vec<Dependency>,
}

/// One line of a manifest's dependency tables.
#[derive(Debug, Deserialize)]
pub struct Dependency {
    /// The name of the package asked for (not the name it is renamed to).
    pub name: String,
    /// Which table it stands in.
    pub kind: Option<DependencyKind>,
}

/// The dependency tables besides the ordinary one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DependencyKind {
    /// `[dev-dependencies]`: for tests and benches only.
    Dev,
    /// `[build-dependencies]`.
    Build,
}

impl Package {
    /// Whether the package is part of this repository.
    pub fn is_ours(&self) -> bool {
        self.source.is_none()
    }
}

/// Reads the resolved workspace.
pub fn read() -> Result<Metadata> {
    let text = repo::capture(&mut repo::cargo(&["metadata", "--format-version", "1", "--locked"]))?;
    serde_json::from_str(&text).context("cargo metadata is not as expected")
}
