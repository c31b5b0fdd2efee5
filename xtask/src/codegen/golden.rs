//! Emits the golden list: every operation of the service, and whether it is done, partial or absent. It changes
//! only when `served.rs` or the model changes.

use std::fmt::Write as _;

use super::Source;
use super::model::Protocol;
use super::served::Coverage;

pub(super) fn emit(source: &Source<'_>, botocore_version: &str) -> String {
    let served = source.service.operations;
    let mut text = format!(
        "# {} {}, as botocore {botocore_version} describes it.\n# {} operations, {} served. Written by `cargo xtask codegen`.\n",
        source.model.metadata.service_full_name,
        source.model.metadata.api_version,
        source.model.operations.len(),
        served.len(),
    );
    let width = source.model.operations.keys().map(String::len).max().unwrap_or(0);
    for (name, operation) in &source.model.operations {
        let coverage = match served.iter().find(|(served, _)| served == name) {
            Some((_, Coverage::Done)) => "done",
            Some((_, Coverage::Partial)) => "partial",
            None => "absent",
        };
        let way = match source.model.metadata.protocol {
            Protocol::RestJson => format!("{:<6} {}", operation.http.method, operation.http.request_uri),
            Protocol::Query => format!("Action={name}"),
            Protocol::Json => source.model.metadata.target_prefix.clone().unwrap_or_default(),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{coverage:<7}  {name:<width$}  {way}");
    }
    text
}
