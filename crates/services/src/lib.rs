//! The services that functions need beside them: an OCI registry, ECR's API in front of it, and container images
//! for functions.
//!
//! | module | what it gives |
//! |---|---|
//! | [`registry`] | `Registry::open`, `Registry::handle(Caller, http::Request) -> http::Response` for `/v2/`; `registry::token` for login; `Registry::collect` and `Registry::pin` |
//! | [`ecr`] | `Ecr::answer(caller, target, body)`: ECR's operations on the same repositories |
//! | [`events`] | `Events::load`; `input`, `needs`, `perform`: EventBridge; a `delivery::Target` and a `schedule::Timetable` |
//! | [`endpoint`] | `Endpoints`: HTTP endpoints as a `delivery::Target` |
//! | [`scheduler`] | the same for EventBridge Scheduler: a `schedule::Timetable` |
//! | [`logs`] | `Logs::load`; `input`, `needs`, `perform`: CloudWatch Logs over the store's log files; a `delivery::Target` |
//! | [`image`] | `ImageStore`, the `model::port::Images` implementation: references, pulling, unpacking |
//! | [`objects`] | code in buckets of an S3-compatible endpoint |
//! | [`layout`] | the registry's files: blobs and resumable uploads |
//! | [`sns`] | `Sns::load`; `input`, `needs`, `perform`: SNS; a `delivery::Target` |
//! | [`sqs`] | `Sqs::load`; `input`, `needs`, `perform`: SQS; a `delivery::Target` and `sqs::Sources` |
//! | [`oci`] | digests, names, manifests, configurations: pure |
//!
//! Who may do what is decided by the callers of this crate. It knows no sockets that listen, and no engine. Nothing
//! here runs by itself: whoever composes the server calls `Registry::collect` and `ImageStore::collect` at start and
//! every hour or so.

mod changes;
mod durable;
pub mod ecr;
pub mod endpoint;
pub mod events;
mod https;
pub mod image;
pub mod layout;
pub mod logs;
pub mod objects;
pub mod oci;
pub mod registry;
pub mod scheduler;
pub mod sns;
pub mod sqs;
