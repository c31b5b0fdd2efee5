//! What the server and the keeper say to each other.
//!
//! The keeper does not trust the server: a message that breaks a bound is as good as none, and ends the keeper. So
//! whoever describes a sandbox asks [`check_bounds`] first.

use std::path::PathBuf;

use super::{MERGED_MAX, MOUNTS_MAX, SandboxId, shorten};
use crate::spec::{Access, Mount, Root, SandboxSpec, Source};
use crate::wire::{Decoder, Encoder, Malformed};

/// From the server to the keeper.
#[derive(Debug)]
pub(crate) enum ToKeeper {
    Create {
        request: u32,
        spec: SandboxSpec,
    },
    Destroy(SandboxId),
    Kill(SandboxId),
    Shutdown,
    /// With one descriptor: the stream.
    Unpack {
        request: u32,
        target: PathBuf,
        order: String,
    },
    RemoveTree {
        request: u32,
        target: PathBuf,
    },
    /// Nobody waits for the answer to an [`Unpack`](ToKeeper::Unpack) any more.
    GiveUp {
        request: u32,
    },
}

impl ToKeeper {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut encoder;
        match self {
            ToKeeper::Create { request, spec } => {
                encoder = Encoder::of_kind(0);
                encoder.u32(*request);
                encode_spec(&mut encoder, spec);
            }
            ToKeeper::Destroy(id) => {
                encoder = Encoder::of_kind(1);
                id.encode(&mut encoder);
            }
            ToKeeper::Kill(id) => {
                encoder = Encoder::of_kind(2);
                id.encode(&mut encoder);
            }
            ToKeeper::Shutdown => encoder = Encoder::of_kind(3),
            ToKeeper::Unpack { request, target, order } => {
                encoder = Encoder::of_kind(4);
                encoder.u32(*request).path(target).bytes(order.as_bytes());
            }
            ToKeeper::RemoveTree { request, target } => {
                encoder = Encoder::of_kind(5);
                encoder.u32(*request).path(target);
            }
            ToKeeper::GiveUp { request } => {
                encoder = Encoder::of_kind(6);
                encoder.u32(*request);
            }
        }
        encoder.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<ToKeeper, Malformed> {
        let mut decoder = Decoder::new(bytes);
        let message = match decoder.u8()? {
            0 => ToKeeper::Create { request: decoder.u32()?, spec: decode_spec(&mut decoder)? },
            1 => ToKeeper::Destroy(SandboxId::decode(&mut decoder)?),
            2 => ToKeeper::Kill(SandboxId::decode(&mut decoder)?),
            3 => ToKeeper::Shutdown,
            4 => {
                let (request, target) = (decoder.u32()?, decoder.path()?);
                ToKeeper::Unpack { request, target, order: decoder.text()? }
            }
            5 => ToKeeper::RemoveTree { request: decoder.u32()?, target: decoder.path()? },
            6 => ToKeeper::GiveUp { request: decoder.u32()? },
            _ => return Err(Malformed),
        };
        decoder.finish()?;
        Ok(message)
    }
}

/// Why a specification does not fit into a message, if it does not. A message that breaks these bounds would end the
/// keeper, so whoever sends one asks first.
pub(crate) fn check_bounds(spec: &SandboxSpec) -> Result<(), String> {
    let within = |what: &str, count: usize, most: usize| {
        if count <= most { Ok(()) } else { Err(format!("{count} {what}, more than {most}")) }
    };
    within("mounts", spec.mounts.len(), MOUNTS_MAX)?;
    if let Root::Image(layers) = &spec.root {
        within("layers", layers.len(), MERGED_MAX)?;
    }
    spec.mounts.iter().try_for_each(|mount| match &mount.source {
        Source::Merged(directories) => within("directories to merge", directories.len(), MERGED_MAX),
        Source::Tree(_) => Ok(()),
    })
}

fn encode_spec(encoder: &mut Encoder, spec: &SandboxSpec) {
    encoder.u64(spec.memory_bytes).u64(spec.tmp_bytes).u32(spec.pids_max).u64(spec.open_files_max);
    match &spec.root {
        Root::Host => encoder.u32(0),
        Root::Image(layers) => encode_paths(encoder.u32(1), layers),
    };
    encoder.list(&spec.mounts, |encoder, mount| {
        encoder.path(&mount.target).u32(u32::from(mount.access == Access::ReadWrite));
        match &mount.source {
            Source::Tree(path) => encoder.u32(0).path(path),
            Source::Merged(directories) => encode_paths(encoder.u32(1), directories),
        };
    });
}

fn decode_spec(decoder: &mut Decoder<'_>) -> Result<SandboxSpec, Malformed> {
    Ok(SandboxSpec {
        memory_bytes: decoder.u64()?,
        tmp_bytes: decoder.u64()?,
        pids_max: decoder.u32()?,
        open_files_max: decoder.u64()?,
        root: match decoder.u32()? {
            0 => Root::Host,
            1 => Root::Image(decoder.list(MERGED_MAX, Decoder::path)?),
            _ => return Err(Malformed),
        },
        mounts: decoder.list(MOUNTS_MAX, decode_mount)?,
    })
}

fn decode_mount(decoder: &mut Decoder<'_>) -> Result<Mount, Malformed> {
    let target = decoder.path()?;
    let access = if decoder.bool()? { Access::ReadWrite } else { Access::ReadOnly };
    let source = match decoder.u32()? {
        0 => Source::Tree(decoder.path()?),
        1 => Source::Merged(decoder.list(MERGED_MAX, Decoder::path)?),
        _ => return Err(Malformed),
    };
    Ok(Mount { source, target, access })
}

fn encode_paths<'a>(encoder: &'a mut Encoder, paths: &[PathBuf]) -> &'a mut Encoder {
    encoder.list(paths, |encoder, path| {
        encoder.path(path);
    })
}

/// From the keeper to the server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FromKeeper {
    /// The first message: ready, with one bit for each of `Weakness::ALL`.
    Ready {
        weaknesses: u32,
        freezes_cheaply: bool,
    },
    /// The first message when preparing failed; the keeper exits after it.
    NotReady {
        reason: String,
    },
    /// With descriptors: control channel, pidfd, listeners, then those that `handles` announces.
    Created {
        request: u32,
        id: SandboxId,
        handles: u32,
    },
    Refused {
        request: u32,
        reason: String,
    },
    /// The sandbox is gone: no process, no cgroup.
    Destroyed(SandboxId),
    /// A tree was unpacked or removed; what the unpacking said.
    Ported {
        request: u32,
        report: String,
    },
    NotPorted {
        request: u32,
        reason: String,
    },
}

impl FromKeeper {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut encoder;
        match self {
            FromKeeper::Ready { weaknesses, freezes_cheaply } => {
                encoder = Encoder::of_kind(0);
                encoder.u32(*weaknesses).u32(u32::from(*freezes_cheaply));
            }
            FromKeeper::NotReady { reason } => {
                encoder = Encoder::of_kind(1);
                encoder.bytes(shorten(reason));
            }
            FromKeeper::Created { request, id, handles } => {
                encoder = Encoder::of_kind(2);
                encoder.u32(*request).u32(*handles);
                id.encode(&mut encoder);
            }
            FromKeeper::Refused { request, reason } => {
                encoder = Encoder::of_kind(3);
                encoder.u32(*request).bytes(shorten(reason));
            }
            FromKeeper::Destroyed(id) => {
                encoder = Encoder::of_kind(4);
                id.encode(&mut encoder);
            }
            FromKeeper::Ported { request, report } => {
                encoder = Encoder::of_kind(5);
                encoder.u32(*request).bytes(shorten(report));
            }
            FromKeeper::NotPorted { request, reason } => {
                encoder = Encoder::of_kind(6);
                encoder.u32(*request).bytes(shorten(reason));
            }
        }
        encoder.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<FromKeeper, Malformed> {
        let mut decoder = Decoder::new(bytes);
        let message = match decoder.u8()? {
            0 => FromKeeper::Ready { weaknesses: decoder.u32()?, freezes_cheaply: decoder.u32()? != 0 },
            1 => FromKeeper::NotReady { reason: decoder.text()? },
            2 => {
                let (request, handles) = (decoder.u32()?, decoder.u32()?);
                FromKeeper::Created { request, handles, id: SandboxId::decode(&mut decoder)? }
            }
            3 => FromKeeper::Refused { request: decoder.u32()?, reason: decoder.text()? },
            4 => FromKeeper::Destroyed(SandboxId::decode(&mut decoder)?),
            5 => FromKeeper::Ported { request: decoder.u32()?, report: decoder.text()? },
            6 => FromKeeper::NotPorted { request: decoder.u32()?, reason: decoder.text()? },
            _ => return Err(Malformed),
        };
        decoder.finish()?;
        Ok(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::SPEC_BYTES_MAX;

    #[test]
    fn a_specification_comes_back() {
        let shared = Mount {
            source: Source::Tree("/shared".into()),
            target: "/mnt/x".into(),
            access: Access::ReadWrite,
        };
        let merged = Mount {
            source: Source::Merged(vec!["/one".into(), "/two".into()]),
            target: "/opt".into(),
            access: Access::ReadOnly,
        };
        let mounts = vec![Mount::read_only("/a".into(), "/b".into()), shared, merged];
        for root in [Root::Host, Root::Image(vec!["/top".into(), "/base".into()])] {
            let (root, mounts) = (root.clone(), mounts.clone());
            let sent =
                SandboxSpec { root, mounts, memory_bytes: 1, tmp_bytes: 2, pids_max: 3, open_files_max: 4 };
            let bytes = ToKeeper::Create { request: 9, spec: sent.clone() }.encode();
            let ToKeeper::Create { request: 9, spec } = ToKeeper::decode(&bytes).unwrap() else {
                panic!("another kind of message");
            };
            assert_eq!((spec.root, spec.mounts), (sent.root, sent.mounts));
            assert_eq!((spec.memory_bytes, spec.tmp_bytes, spec.pids_max, spec.open_files_max), (1, 2, 3, 4));
        }
    }

    #[test]
    fn the_largest_specification_of_ordinary_paths_fits() {
        let path = |number: usize| PathBuf::from(format!("/var/lib/dormouse/images/layers/{number:064x}"));
        let spec = SandboxSpec {
            root: Root::Image((0..MERGED_MAX).map(path).collect()),
            mounts: (0..MOUNTS_MAX).map(|number| Mount::read_only(path(number), path(number))).collect(),
            memory_bytes: 1,
            tmp_bytes: 2,
            pids_max: 3,
            open_files_max: 4,
        };
        let bytes = ToKeeper::Create { request: 9, spec: spec.clone() }.encode();
        assert!(bytes.len() < SPEC_BYTES_MAX, "{}", bytes.len());
        let more = SandboxSpec { root: Root::Image(vec![path(0); MERGED_MAX + 1]), ..spec };
        assert!(ToKeeper::decode(&ToKeeper::Create { request: 9, spec: more }.encode()).is_err());
    }

    #[test]
    fn orders_for_porters_come_back() {
        let (target, order) = (PathBuf::from("/images/1"), "gzip".to_owned());
        for message in [
            ToKeeper::Unpack { request: 1, target: target.clone(), order },
            ToKeeper::RemoveTree { request: 2, target },
            ToKeeper::GiveUp { request: 3 },
        ] {
            let back = ToKeeper::decode(&message.encode()).unwrap();
            assert_eq!(format!("{back:?}"), format!("{message:?}"));
        }
    }

    #[test]
    fn replies_come_back() {
        let id = SandboxId { slot: 1, generation: 2 };
        for message in [
            FromKeeper::Ready { weaknesses: 5, freezes_cheaply: true },
            FromKeeper::NotReady { reason: "no".into() },
            FromKeeper::Created { request: 3, id, handles: 4 },
            FromKeeper::Refused { request: 3, reason: "why".into() },
            FromKeeper::Destroyed(id),
            FromKeeper::Ported { request: 3, report: "done".into() },
            FromKeeper::NotPorted { request: 3, reason: "why".into() },
        ] {
            assert_eq!(FromKeeper::decode(&message.encode()), Ok(message));
        }
    }
}
