//! Durable state: control records, content-addressed blobs, server secrets, the ledger of usage and the logs.
//!
//! [`Store::open`] takes a directory for itself and gives out one handle per kind of state. Records and blobs
//! are on the disk when a write is answered; ledger rows survive the end of the process at once and the end of
//! the machine after a second; logs are as durable as the page cache. What stands behind a handle (SQLite and
//! files) is nobody's business outside this crate.
//!
//! This crate stores; it does not know what a function may do, and it never repairs by forgetting: what it
//! cannot read, it names and refuses.

pub mod audit;
pub mod blobs;
pub mod disk;
pub mod ledger;
mod lock;
pub mod logs;
pub mod queue;
pub mod records;
mod schema;
pub mod seal;
pub mod secrets;
mod sqlite;
mod store;

pub use schema::SchemaError;
pub use store::{Store, StoreError};
