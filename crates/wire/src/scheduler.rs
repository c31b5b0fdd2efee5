//! Amazon EventBridge Scheduler: the generated types, operations and errors.
//!
//! What the operations mean is not known here.

pub use crate::generated::scheduler::*;

use crate::rest_json::Service;

/// The protocol.
pub static SERVICE: Service = Service { errors: errors::ALL, fault: errors::INTERNAL_SERVER_EXCEPTION };
