//! What the processes of this crate say to each other, as plain values with one encoding each.
//!
//! Server to keeper ([`ToKeeper`]) and back ([`FromKeeper`]); keeper to a blank sandbox ([`Specialise`])
//! and back ([`FromBlank`]); server to init ([`ToInit`]) and back ([`FromInit`]); keeper to its aides, in
//! `aides.rs`. All are bounded: decoding refuses more than the limits below, whoever sent it.

mod aides;

use std::ffi::OsString;
use std::path::PathBuf;

pub(crate) use self::aides::{DiskReply, DiskRequest, NurseryReply, NurseryRequest};

use crate::spec::{Bind, Command, ExitStatus, SandboxSpec};
use crate::wire::{Decoder, Encoder, Malformed};

/// Most mounts in one specification. Each takes one descriptor of a message.
pub(crate) const MOUNTS_MAX: usize = 48;
/// Longest message from server to keeper: a specification with paths of ordinary length.
pub(crate) const SPEC_BYTES_MAX: usize = 64 * 1024;
/// Most arguments and most variables of one command.
const STRINGS_MAX: usize = 4096;
/// Longest `ToInit` message. Linux itself allows more, but environments here are small.
pub(crate) const COMMAND_BYTES_MAX: usize = 128 * 1024;
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

/// From the server to the keeper.
#[derive(Debug)]
pub(crate) enum ToKeeper {
    Create { request: u32, spec: SandboxSpec },
    Destroy(SandboxId),
    Kill(SandboxId),
    Shutdown,
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
            _ => return Err(Malformed),
        };
        decoder.finish()?;
        Ok(message)
    }
}

fn encode_spec(encoder: &mut Encoder, spec: &SandboxSpec) {
    encoder.u64(spec.memory_bytes).u64(spec.tmp_bytes).u32(spec.pids_max).u64(spec.open_files_max);
    encoder.list(&spec.mounts, |encoder, bind| {
        encoder.path(&bind.source).path(&bind.target);
    });
}

fn decode_spec(decoder: &mut Decoder<'_>) -> Result<SandboxSpec, Malformed> {
    Ok(SandboxSpec {
        memory_bytes: decoder.u64()?,
        tmp_bytes: decoder.u64()?,
        pids_max: decoder.u32()?,
        open_files_max: decoder.u64()?,
        mounts: decoder
            .list(MOUNTS_MAX, |decoder| Ok(Bind { source: decoder.path()?, target: decoder.path()? }))?,
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
            _ => return Err(Malformed),
        };
        decoder.finish()?;
        Ok(message)
    }
}

/// A reason that fits into one reply, paths included.
fn shorten(reason: &str) -> &[u8] {
    const REASON_BYTES_MAX: usize = 2048;
    &reason.as_bytes()[..reason.len().min(REASON_BYTES_MAX)]
}

/// From the keeper to a blank sandbox: what makes it somebody's. With descriptors: one detached mount for
/// each target, in order; the last one is `/tmp`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Specialise {
    pub(crate) targets: Vec<PathBuf>,
    pub(crate) open_files_max: u64,
}

impl Specialise {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::default();
        encoder.u64(self.open_files_max).list(&self.targets, |encoder, target| {
            encoder.path(target);
        });
        encoder.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Specialise, Malformed> {
        let mut decoder = Decoder::new(bytes);
        let open_files_max = decoder.u64()?;
        let targets = decoder.list(MOUNTS_MAX + 1, Decoder::path)?;
        decoder.finish()?;
        Ok(Specialise { targets, open_files_max })
    }
}

/// From a blank sandbox to the keeper.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FromBlank {
    /// Waiting for a [`Specialise`]; the listening sockets come along.
    Prepared,
    /// Specialised and unprivileged: from here on the channel speaks [`ToInit`] and [`FromInit`].
    Ready,
    /// A step failed; the process ends after this.
    Failed { reason: String },
}

impl FromBlank {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut encoder;
        match self {
            FromBlank::Prepared => encoder = Encoder::of_kind(0),
            FromBlank::Ready => encoder = Encoder::of_kind(1),
            FromBlank::Failed { reason } => {
                encoder = Encoder::of_kind(2);
                encoder.bytes(shorten(reason));
            }
        }
        encoder.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<FromBlank, Malformed> {
        let mut decoder = Decoder::new(bytes);
        let message = match decoder.u8()? {
            0 => FromBlank::Prepared,
            1 => FromBlank::Ready,
            2 => FromBlank::Failed { reason: decoder.text()? },
            _ => return Err(Malformed),
        };
        decoder.finish()?;
        Ok(message)
    }
}

/// From the server to process 1 of a sandbox. `task` is the server's number for what it started.
#[derive(Debug)]
pub(crate) enum ToInit {
    /// With descriptors: the write ends for standard output and standard error.
    Spawn { task: u32, command: Command },
    /// Signal a started process; nothing happens when it has ended.
    Signal { task: u32, signal: i32 },
    /// End every process but init.
    Reset { task: u32 },
    /// Stop every process but init; only where no cgroup can freeze them.
    Stop,
    /// Let them go on.
    Continue,
}

impl ToInit {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut encoder;
        match self {
            ToInit::Spawn { task, command } => {
                encoder = Encoder::of_kind(0);
                encode_command(encoder.u32(*task), command);
            }
            ToInit::Signal { task, signal } => {
                encoder = Encoder::of_kind(1);
                encoder.u32(*task).u32(signal.cast_unsigned());
            }
            ToInit::Reset { task } => {
                encoder = Encoder::of_kind(2);
                encoder.u32(*task);
            }
            ToInit::Stop => encoder = Encoder::of_kind(3),
            ToInit::Continue => encoder = Encoder::of_kind(4),
        }
        encoder.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<ToInit, Malformed> {
        let mut decoder = Decoder::new(bytes);
        let message = match decoder.u8()? {
            0 => ToInit::Spawn { task: decoder.u32()?, command: decode_command(&mut decoder)? },
            1 => ToInit::Signal { task: decoder.u32()?, signal: decoder.i32()? },
            2 => ToInit::Reset { task: decoder.u32()? },
            3 => ToInit::Stop,
            4 => ToInit::Continue,
            _ => return Err(Malformed),
        };
        decoder.finish()?;
        Ok(message)
    }
}

fn encode_command(encoder: &mut Encoder, command: &Command) {
    use std::os::unix::ffi::OsStrExt;
    encoder.path(&command.cwd);
    encoder.list(&command.argv, |encoder, argument| {
        encoder.bytes(argument.as_bytes());
    });
    encoder.list(&command.env, |encoder, (name, value)| {
        encoder.bytes(name.as_bytes()).bytes(value.as_bytes());
    });
}

fn decode_command(decoder: &mut Decoder<'_>) -> Result<Command, Malformed> {
    Ok(Command {
        cwd: decoder.path()?,
        argv: decoder.list(STRINGS_MAX, Decoder::os_string)?,
        env: decoder.list(STRINGS_MAX, |decoder| -> Result<(OsString, OsString), Malformed> {
            Ok((decoder.os_string()?, decoder.os_string()?))
        })?,
    })
}

/// From process 1 of a sandbox to the server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FromInit {
    Spawned { task: u32, pid: u32 },
    SpawnFailed { task: u32, errno: i32 },
    Exited { task: u32, status: ExitStatus },
    ResetDone { task: u32 },
}

impl FromInit {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut encoder;
        match self {
            FromInit::Spawned { task, pid } => {
                encoder = Encoder::of_kind(0);
                encoder.u32(*task).u32(*pid);
            }
            FromInit::SpawnFailed { task, errno } => {
                encoder = Encoder::of_kind(1);
                encoder.u32(*task).u32(errno.cast_unsigned());
            }
            FromInit::Exited { task, status } => {
                encoder = Encoder::of_kind(2);
                let (kind, value) = match status {
                    ExitStatus::Exited(code) => (0, *code),
                    ExitStatus::Signaled(signal) => (1, *signal),
                };
                encoder.u32(*task).u32(kind).u32(value.cast_unsigned());
            }
            FromInit::ResetDone { task } => {
                encoder = Encoder::of_kind(3);
                encoder.u32(*task);
            }
        }
        encoder.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<FromInit, Malformed> {
        let mut decoder = Decoder::new(bytes);
        let (kind, task) = (decoder.u8()?, decoder.u32()?);
        let message = match kind {
            0 => FromInit::Spawned { task, pid: decoder.u32()? },
            1 => FromInit::SpawnFailed { task, errno: decoder.i32()? },
            2 => {
                let status = match (decoder.u32()?, decoder.i32()?) {
                    (0, code) => ExitStatus::Exited(code),
                    (1, signal) => ExitStatus::Signaled(signal),
                    _ => return Err(Malformed),
                };
                FromInit::Exited { task, status }
            }
            3 => FromInit::ResetDone { task },
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
    fn a_specification_comes_back() {
        let spec = SandboxSpec {
            mounts: vec![Bind { source: "/a".into(), target: "/b".into() }],
            memory_bytes: 1,
            tmp_bytes: 2,
            pids_max: 3,
            open_files_max: 4,
        };
        let bytes = ToKeeper::Create { request: 9, spec }.encode();
        let ToKeeper::Create { request: 9, spec } = ToKeeper::decode(&bytes).unwrap() else {
            panic!("another kind of message");
        };
        assert_eq!(spec.mounts, [Bind { source: "/a".into(), target: "/b".into() }]);
        assert_eq!((spec.memory_bytes, spec.tmp_bytes, spec.pids_max, spec.open_files_max), (1, 2, 3, 4));
    }

    #[test]
    fn a_command_comes_back() {
        let command = Command {
            argv: vec!["/bin/x".into(), "".into()],
            env: vec![("A".into(), "b=c".into())],
            cwd: "/tmp".into(),
        };
        let bytes = ToInit::Spawn { task: 5, command }.encode();
        let ToInit::Spawn { task: 5, command } = ToInit::decode(&bytes).unwrap() else {
            panic!("another kind of message");
        };
        assert_eq!(command.argv, ["/bin/x", ""]);
        assert_eq!(command.env, [("A".into(), "b=c".into())]);
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
        ] {
            assert_eq!(FromKeeper::decode(&message.encode()), Ok(message));
        }
        for message in [
            FromInit::Spawned { task: 1, pid: 2 },
            FromInit::SpawnFailed { task: 1, errno: -2 },
            FromInit::Exited { task: 1, status: ExitStatus::Signaled(9) },
            FromInit::Exited { task: 1, status: ExitStatus::Exited(255) },
            FromInit::ResetDone { task: 1 },
        ] {
            assert_eq!(FromInit::decode(&message.encode()), Ok(message));
        }
    }

    #[test]
    fn noise_is_refused() {
        for bytes in [&[][..], &[9], &[1, 2], &[0, 0, 0, 0, 0, 255, 255, 255]] {
            assert!(ToKeeper::decode(bytes).is_err(), "{bytes:?}");
            assert!(ToInit::decode(bytes).is_err(), "{bytes:?}");
            assert!(FromInit::decode(bytes).is_err(), "{bytes:?}");
        }
    }
}
