//! The rules of Dormouse, without I/O: ids and names, limits, what a function is, the lifecycle of an
//! execution environment, what can go wrong, and the ports through which the parts reach each other.
//!
//! Nothing here reads a clock, opens a file, knows JSON or HTTP, or needs an async runtime; everything can be
//! tested in microseconds. The wire form of these types belongs to `wire`, the stored form to `store`.

pub mod alias;
pub mod arn;
pub mod bus;
pub mod capacity;
pub mod code_signing;
pub mod concurrency;
pub mod dead_letter;
pub mod delivery;
pub mod error;
pub mod event;
pub mod event_invoke;
pub mod event_source;
pub mod fault;
pub mod function;
pub mod gate;
pub mod iam;
pub mod id;
pub mod layer;
pub mod lease;
pub mod lifecycle;
pub mod limits;
pub mod lineage;
pub mod log;
pub mod management;
pub mod name;
pub mod noted;
pub mod pairs;
pub mod port;
pub mod queue;
pub mod resource_policy;
pub mod runtime;
pub mod schedule;
pub mod scheduler;
pub mod sqs;
pub mod time;
pub mod topic;
pub mod url;
pub mod version;
