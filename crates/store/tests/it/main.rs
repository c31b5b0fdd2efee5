//! Tests of the store from outside: what callers may rely on, under crashes, power cuts and full disks.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod blobs;
mod crash;
mod data_dir;
mod disks;
mod figures;
mod full_disk;
mod ledger;
mod logs;
mod records;
mod samples;
mod secrets;
