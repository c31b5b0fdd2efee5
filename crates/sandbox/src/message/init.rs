//! What process 1 of a sandbox hears and says: from the keeper until it is specialised, from the server afterwards.
//!
//! Commands may hold secrets: their messages are never logged, and `Debug` of a command hides them.

use std::ffi::OsString;
use std::path::PathBuf;

use super::{MOUNTS_MAX, shorten};
use crate::spec::{Command, ExitStatus};
use crate::wire::{Decoder, Encoder, Malformed};

/// Most arguments and most variables of one command.
const STRINGS_MAX: usize = 4096;

/// From the keeper to a blank sandbox: what makes it somebody's. With descriptors: the root of an image if it is to
/// have one, then one detached mount for each target, in order; the last one is `/tmp`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Specialise {
    pub(crate) targets: Vec<PathBuf>,
    pub(crate) open_files_max: u64,
    /// Whether an image takes the place of the generic root.
    pub(crate) image: bool,
}

impl Specialise {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut encoder = Encoder::default();
        encoder.u64(self.open_files_max).u32(u32::from(self.image)).list(&self.targets, |encoder, target| {
            encoder.path(target);
        });
        encoder.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Specialise, Malformed> {
        let mut decoder = Decoder::new(bytes);
        let open_files_max = decoder.u64()?;
        let image = decoder.bool()?;
        let targets = decoder.list(MOUNTS_MAX + 1, Decoder::path)?;
        decoder.finish()?;
        Ok(Specialise { targets, open_files_max, image })
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
    /// With descriptors: the write ends for standard output, standard error and, if asked for, the log pipe.
    Spawn { task: u32, command: Command },
    /// Signal a started process; nothing happens when it has ended.
    Signal { task: u32, signal: i32 },
    /// End every process but init.
    Reset { task: u32 },
    /// Make a socket in this network namespace.
    Socket { task: u32 },
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
            ToInit::Socket { task } => {
                encoder = Encoder::of_kind(5);
                encoder.u32(*task);
            }
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
            5 => ToInit::Socket { task: decoder.u32()? },
            _ => return Err(Malformed),
        };
        decoder.finish()?;
        Ok(message)
    }
}

fn encode_command(encoder: &mut Encoder, command: &Command) {
    use std::os::unix::ffi::OsStrExt;
    encoder.path(&command.cwd).u32(u32::from(command.log_pipe));
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
        log_pipe: decoder.bool()?,
        argv: decoder.list(STRINGS_MAX, Decoder::os_string)?,
        env: decoder.list(STRINGS_MAX, |decoder| -> Result<(OsString, OsString), Malformed> {
            Ok((decoder.os_string()?, decoder.os_string()?))
        })?,
    })
}

/// From process 1 of a sandbox to the server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FromInit {
    Spawned {
        task: u32,
        pid: u32,
    },
    SpawnFailed {
        task: u32,
        errno: i32,
    },
    Exited {
        task: u32,
        status: ExitStatus,
    },
    ResetDone {
        task: u32,
    },
    /// With one descriptor: the socket.
    SocketMade {
        task: u32,
    },
    SocketFailed {
        task: u32,
        errno: i32,
    },
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
            FromInit::SocketMade { task } => {
                encoder = Encoder::of_kind(4);
                encoder.u32(*task);
            }
            FromInit::SocketFailed { task, errno } => {
                encoder = Encoder::of_kind(5);
                encoder.u32(*task).u32(errno.cast_unsigned());
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
            4 => FromInit::SocketMade { task },
            5 => FromInit::SocketFailed { task, errno: decoder.i32()? },
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
    fn a_command_comes_back() {
        for log_pipe in [true, false] {
            let command = Command {
                argv: vec!["/bin/x".into(), "".into()],
                env: vec![("A".into(), "b=c".into())],
                cwd: "/tmp".into(),
                log_pipe,
            };
            let bytes = ToInit::Spawn { task: 5, command }.encode();
            let ToInit::Spawn { task: 5, command } = ToInit::decode(&bytes).unwrap() else {
                panic!("another kind of message");
            };
            assert_eq!(command.argv, ["/bin/x", ""]);
            assert_eq!(command.env, [("A".into(), "b=c".into())]);
            assert_eq!(command.log_pipe, log_pipe);
        }
    }

    #[test]
    fn answers_come_back() {
        for message in [
            FromInit::Spawned { task: 1, pid: 2 },
            FromInit::SpawnFailed { task: 1, errno: -2 },
            FromInit::Exited { task: 1, status: ExitStatus::Signaled(9) },
            FromInit::Exited { task: 1, status: ExitStatus::Exited(255) },
            FromInit::ResetDone { task: 1 },
            FromInit::SocketMade { task: 2 },
            FromInit::SocketFailed { task: 2, errno: 24 },
        ] {
            assert_eq!(FromInit::decode(&message.encode()), Ok(message));
        }
    }
}
