//! What the keeper and its two aides say to each other.
//!
//! Requests name a size or a slot and nothing else: the aides know the rest from being forked. Answers
//! carry their descriptors beside them. The bounds are those of the whole channel.

use super::shorten;
use crate::wire::{Decoder, Encoder, Malformed};

/// From the keeper to the disk aide: make a volume of this size for some sandbox's `/tmp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DiskRequest {
    pub(crate) tmp_bytes: u64,
}

impl DiskRequest {
    pub(crate) fn encode(self) -> Vec<u8> {
        let mut encoder = Encoder::default();
        encoder.u64(self.tmp_bytes);
        encoder.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<DiskRequest, Malformed> {
        let mut decoder = Decoder::new(bytes);
        let tmp_bytes = decoder.u64()?;
        decoder.finish()?;
        Ok(DiskRequest { tmp_bytes })
    }
}

/// From the disk aide, one for each request, in order; and one at start about itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum DiskReply {
    /// The first message: whether volumes are on disk or only in memory.
    Started {
        on_disk: bool,
    },
    /// With one descriptor: the detached mount.
    Made {
        tmp_bytes: u64,
    },
    Failed {
        tmp_bytes: u64,
        reason: String,
    },
}

impl DiskReply {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut encoder;
        match self {
            DiskReply::Started { on_disk } => {
                encoder = Encoder::of_kind(0);
                encoder.u32(u32::from(*on_disk));
            }
            DiskReply::Made { tmp_bytes } => {
                encoder = Encoder::of_kind(1);
                encoder.u64(*tmp_bytes);
            }
            DiskReply::Failed { tmp_bytes, reason } => {
                encoder = Encoder::of_kind(2);
                encoder.u64(*tmp_bytes).bytes(shorten(reason));
            }
        }
        encoder.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<DiskReply, Malformed> {
        let mut decoder = Decoder::new(bytes);
        let message = match decoder.u8()? {
            0 => DiskReply::Started { on_disk: decoder.u32()? != 0 },
            1 => DiskReply::Made { tmp_bytes: decoder.u64()? },
            2 => DiskReply::Failed { tmp_bytes: decoder.u64()?, reason: decoder.text()? },
            _ => return Err(Malformed),
        };
        decoder.finish()?;
        Ok(message)
    }
}

/// From the keeper to the nursery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NurseryRequest {
    /// Start process 1 of the sandbox in this slot.
    Bear { slot: u32 },
    /// It has ended: remove what is left of it.
    Bury { slot: u32 },
}

impl NurseryRequest {
    pub(crate) fn encode(self) -> Vec<u8> {
        let (kind, slot) = match self {
            NurseryRequest::Bear { slot } => (0, slot),
            NurseryRequest::Bury { slot } => (1, slot),
        };
        let mut encoder = Encoder::of_kind(kind);
        encoder.u32(slot);
        encoder.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<NurseryRequest, Malformed> {
        let mut decoder = Decoder::new(bytes);
        let (kind, slot) = (decoder.u8()?, decoder.u32()?);
        decoder.finish()?;
        match kind {
            0 => Ok(NurseryRequest::Bear { slot }),
            1 => Ok(NurseryRequest::Bury { slot }),
            _ => Err(Malformed),
        }
    }
}

/// From the nursery, one for each request, not always in order; and one at start.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NurseryReply {
    Started,
    /// With descriptors: channel, pidfd, then those that `handles` announces.
    Born {
        slot: u32,
        handles: u32,
    },
    NotBorn {
        slot: u32,
        reason: String,
    },
    Buried {
        slot: u32,
    },
}

impl NurseryReply {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut encoder;
        match self {
            NurseryReply::Started => encoder = Encoder::of_kind(0),
            NurseryReply::Born { slot, handles } => {
                encoder = Encoder::of_kind(1);
                encoder.u32(*slot).u32(*handles);
            }
            NurseryReply::NotBorn { slot, reason } => {
                encoder = Encoder::of_kind(2);
                encoder.u32(*slot).bytes(shorten(reason));
            }
            NurseryReply::Buried { slot } => {
                encoder = Encoder::of_kind(3);
                encoder.u32(*slot);
            }
        }
        encoder.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<NurseryReply, Malformed> {
        let mut decoder = Decoder::new(bytes);
        let message = match decoder.u8()? {
            0 => NurseryReply::Started,
            1 => NurseryReply::Born { slot: decoder.u32()?, handles: decoder.u32()? },
            2 => NurseryReply::NotBorn { slot: decoder.u32()?, reason: decoder.text()? },
            3 => NurseryReply::Buried { slot: decoder.u32()? },
            _ => return Err(Malformed),
        };
        decoder.finish()?;
        Ok(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back() {
        for message in [
            NurseryReply::Started,
            NurseryReply::Born { slot: 1, handles: 2 },
            NurseryReply::NotBorn { slot: 1, reason: "why".into() },
            NurseryReply::Buried { slot: 3 },
        ] {
            assert_eq!(NurseryReply::decode(&message.encode()), Ok(message));
        }
        for message in [
            DiskReply::Started { on_disk: true },
            DiskReply::Made { tmp_bytes: 1 },
            DiskReply::Failed { tmp_bytes: 2, reason: "why".into() },
        ] {
            assert_eq!(DiskReply::decode(&message.encode()), Ok(message));
        }
        for message in [NurseryRequest::Bear { slot: 1 }, NurseryRequest::Bury { slot: 2 }] {
            assert_eq!(NurseryRequest::decode(&message.encode()), Ok(message));
        }
        assert!(NurseryRequest::decode(&[7, 0, 0, 0, 0]).is_err());
    }
}
