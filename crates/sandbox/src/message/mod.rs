//! What the processes of this crate say to each other, as plain values with one encoding each.
//!
//! Server to keeper and back, in `keeper.rs`; keeper to a blank sandbox, server to process 1 of a live one, and back,
//! in `init.rs`; keeper to its aides, in `aides.rs`. All are bounded: decoding refuses more than the limits below,
//! whoever sent it.

mod aides;
mod init;
mod keeper;

pub(crate) use self::aides::{DiskReply, DiskRequest, NurseryReply, NurseryRequest};
pub(crate) use self::init::{FromBlank, FromInit, Specialise, ToInit};
pub(crate) use self::keeper::{FromKeeper, ToKeeper, check_bounds};

use crate::wire::{Decoder, Encoder, Malformed};

/// Most mounts in one specification. Each takes one descriptor of a message.
pub(crate) const MOUNTS_MAX: usize = 48;
/// Most directories merged into one mount, and most layers of an image. They take descriptors of the keeper while
/// it merges them, but none of a message.
pub(crate) const MERGED_MAX: usize = 128;
/// Longest message from server to keeper: a specification with paths of ordinary length.
pub(crate) const SPEC_BYTES_MAX: usize = 64 * 1024;
/// Longest `ToInit` message. Linux itself allows more, but environments here are small.
pub(crate) const COMMAND_BYTES_MAX: usize = 128 * 1024;
/// Longest order to whoever unpacks a tree.
pub(crate) const ORDER_BYTES_MAX: usize = 4096;
/// Longest message that a server must be ready to read from keeper or init.
pub(crate) const REPLY_BYTES_MAX: usize = 4096;

/// Names one sandbox: a slot, and which of its successive tenants is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SandboxId {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
}

impl SandboxId {
    fn encode(self, encoder: &mut Encoder) {
        encoder.u32(self.slot).u32(self.generation);
    }

    fn decode(decoder: &mut Decoder<'_>) -> Result<SandboxId, Malformed> {
        Ok(SandboxId { slot: decoder.u32()?, generation: decoder.u32()? })
    }
}

/// A reason that fits into one reply, paths included.
fn shorten(reason: &str) -> &[u8] {
    const REASON_BYTES_MAX: usize = 2048;
    &reason.as_bytes()[..reason.len().min(REASON_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_refused() {
        for bytes in [&[][..], &[9], &[1, 2], &[0, 0, 0, 0, 0, 255, 255, 255]] {
            assert!(ToKeeper::decode(bytes).is_err(), "{bytes:?}");
            assert!(ToInit::decode(bytes).is_err(), "{bytes:?}");
            assert!(FromInit::decode(bytes).is_err(), "{bytes:?}");
        }
    }
}
