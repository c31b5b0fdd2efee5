//! Namespaces, cgroups, mounts and seccomp around one process tree.
//!
//! Three processes share this crate. The *server* (an ordinary async program) holds a [`Keeper`] and
//! one [`Sandbox`] per process tree. The *keeper* is forked before any thread exists, keeps the
//! privileges, and makes and destroys sandboxes. *Init* is process 1 of each sandbox; it starts and
//! reaps processes on the server's behalf over its own channel, so nothing secret passes the keeper. Where the owner
//! configures it, a *porter* for each archive unpacks what container images consist of, seeing nothing else.
//!
//! This crate knows processes, mounts and limits. It knows nothing of functions, events or HTTP.
//! All `unsafe` code and all privilege of the workspace live here.

mod cgroup;
mod client;
mod config;
mod error;
mod init;
mod keeper;
mod message;
mod mount;
mod overlay;
pub mod privilege;
mod rootfs;
mod seccomp;
mod spec;
mod sys;
mod wire;

pub use client::{Keeper, KeeperLink, Process, Sandbox};
pub use config::{KeeperConfig, PorterConfig, UID_BASE_DEFAULT, Weakness};
pub use error::{KeeperError, SandboxError};
pub use keeper::fork_keeper;
pub use spec::{Access, Command, CpuQuota, ExitStatus, Mount, Root, SandboxSpec, Signal, Source};
