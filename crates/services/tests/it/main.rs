//! The services as their clients see them: raw HTTP, `skopeo` and `buildah` against a registry that listens on a
//! port of this machine, and images that are pulled and unpacked for real.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ecr;
mod events;
mod hostile;
mod image_files;
mod images;
mod limits;
mod log_groups;
mod other_registry;
mod queues;
mod registry;
mod tools;
mod unpack;
mod world;
