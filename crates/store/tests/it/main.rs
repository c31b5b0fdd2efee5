//! Tests of the store from outside: what callers may rely on, under crashes, power cuts and full disks.
//!
//! One module per kind of state, `crash` and `full_disk` for all together, `figures` for speed. Two modules start
//! this binary again as a child; everything lives in temporary directories.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod blobs;
mod crash;
mod data_dir;
mod disks;
mod figures;
mod full_disk;
mod layers;
mod ledger;
mod logs;
mod queue;
mod records;
mod samples;
mod secrets;
