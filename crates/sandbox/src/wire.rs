//! Compact messages over `SOCK_SEQPACKET` sockets, with descriptors beside them.
//!
//! Numbers are little-endian, byte strings carry a 32-bit length. A message is one packet, so there is
//! no framing to go wrong; a decoder refuses truncation, excess bytes and lengths beyond the packet.
//! What the messages mean is in `message.rs`; nothing here knows it.

use std::ffi::OsString;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};

/// Most descriptors in one message; the kernel's own limit is 253.
pub(crate) const FDS_MAX: usize = 64;
/// Longest message on any channel.
pub(crate) const MESSAGE_BYTES_MAX: usize = 192 * 1024;

/// A message that does not follow the format.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed message")]
pub(crate) struct Malformed;

impl From<Malformed> for io::Error {
    fn from(error: Malformed) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }
}

/// Builds one message.
#[derive(Default)]
pub(crate) struct Encoder(Vec<u8>);

impl Encoder {
    /// A message that starts with its kind.
    pub(crate) fn of_kind(kind: u8) -> Encoder {
        Encoder(vec![kind])
    }

    pub(crate) fn u32(&mut self, value: u32) -> &mut Encoder {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub(crate) fn u64(&mut self, value: u64) -> &mut Encoder {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// A length followed by the bytes. Longer than 4 GiB cannot be sent anyway; it saturates and is refused.
    pub(crate) fn bytes(&mut self, value: &[u8]) -> &mut Encoder {
        self.u32(u32::try_from(value.len()).unwrap_or(u32::MAX));
        self.0.extend_from_slice(value);
        self
    }

    pub(crate) fn path(&mut self, value: &Path) -> &mut Encoder {
        self.bytes(value.as_os_str().as_bytes())
    }

    /// A count followed by what `each` writes for every item.
    pub(crate) fn list<T>(&mut self, items: &[T], mut each: impl FnMut(&mut Encoder, &T)) -> &mut Encoder {
        self.u32(u32::try_from(items.len()).unwrap_or(u32::MAX));
        for item in items {
            each(self, item);
        }
        self
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Reads one message from front to back.
pub(crate) struct Decoder<'a>(&'a [u8]);

impl<'a> Decoder<'a> {
    pub(crate) fn new(message: &'a [u8]) -> Decoder<'a> {
        Decoder(message)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        let [value] = self.take::<1>()?;
        Ok(value)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_le_bytes(self.take()?))
    }

    pub(crate) fn i32(&mut self) -> Result<i32, Malformed> {
        Ok(i32::from_le_bytes(self.take()?))
    }

    /// A number that is 0 or 1.
    pub(crate) fn bool(&mut self) -> Result<bool, Malformed> {
        match self.u32()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed),
        }
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_le_bytes(self.take()?))
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(self.u32()?).map_err(|_| Malformed)?;
        let (value, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(value)
    }

    pub(crate) fn os_string(&mut self) -> Result<OsString, Malformed> {
        Ok(OsString::from_vec(self.bytes()?.to_vec()))
    }

    pub(crate) fn path(&mut self) -> Result<PathBuf, Malformed> {
        Ok(PathBuf::from(self.os_string()?))
    }

    /// Text for people; bytes that are not UTF-8 are replaced.
    pub(crate) fn text(&mut self) -> Result<String, Malformed> {
        Ok(String::from_utf8_lossy(self.bytes()?).into_owned())
    }

    /// A list of at most `count_max` items.
    pub(crate) fn list<T>(
        &mut self,
        count_max: usize,
        mut each: impl FnMut(&mut Decoder<'a>) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let count = usize::try_from(self.u32()?).map_err(|_| Malformed)?;
        if count > count_max {
            return Err(Malformed);
        }
        (0..count).map(|_| each(self)).collect()
    }

    /// The message must end here.
    pub(crate) fn finish(self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed) }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (value, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*value)
    }
}

/// A received message and the descriptors that came with it.
#[derive(Debug)]
pub(crate) struct Packet {
    pub(crate) bytes: Vec<u8>,
    pub(crate) fds: Vec<OwnedFd>,
}

/// Two connected packet sockets, non-blocking and closed on `exec`.
pub(crate) fn socket_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let (one, other) = rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    for end in [&one, &other] {
        // Room for the longest message; the kernel caps the value at the host's limit, which suffices.
        rustix::net::sockopt::set_socket_send_buffer_size(end, 2 * MESSAGE_BYTES_MAX)?;
    }
    Ok((one, other))
}

/// Sends one message without waiting; `WouldBlock` when the peer does not read.
pub(crate) fn send(socket: impl AsFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "too many descriptors for one message"));
    }
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    loop {
        match rustix::net::sendmsg(&socket, &[io::IoSlice::new(bytes)], &mut control, flags) {
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok(_) => return Ok(()),
        }
    }
}

/// As [`send`], but waits up to `timeout_ms` for room.
pub(crate) fn send_waiting(
    socket: impl AsFd,
    bytes: &[u8],
    fds: &[BorrowedFd<'_>],
    timeout_ms: i64,
) -> io::Result<()> {
    loop {
        match send(&socket, bytes, fds) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if !crate::sys::wait_writable(&socket, timeout_ms) {
                    return Err(io::ErrorKind::TimedOut.into());
                }
            }
            other => return other,
        }
    }
}

/// Receives one message without waiting. `Ok(None)`: the peer has closed its end.
pub(crate) fn receive(socket: impl AsFd) -> io::Result<Option<Packet>> {
    // Zeroed memory of this size comes straight from the kernel, page by page as it is touched, and goes
    // back when freed: no copy of a secret stays behind.
    receive_up_to(socket, MESSAGE_BYTES_MAX)
}

/// As [`receive`], for channels whose messages are known to be short.
pub(crate) fn receive_up_to(socket: impl AsFd, bytes_max: usize) -> io::Result<Option<Packet>> {
    let mut bytes = vec![0; bytes_max];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let message = loop {
        let mut buffer = [io::IoSliceMut::new(&mut bytes)];
        match rustix::net::recvmsg(&socket, &mut buffer, &mut control, flags) {
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::CONNRESET) => return Ok(None),
            Err(error) => return Err(error.into()),
            Ok(message) => break message,
        }
    };
    let fds: Vec<OwnedFd> = control
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(fds) => Some(fds),
            _ => None,
        })
        .flatten()
        .collect();
    if message.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "oversize message"));
    }
    if message.bytes == 0 {
        return Ok(None);
    }
    bytes.truncate(message.bytes);
    Ok(Some(Packet { bytes, fds }))
}

/// Waits up to `timeout_ms` for one message.
pub(crate) fn receive_waiting(socket: impl AsFd, timeout_ms: i64) -> io::Result<Option<Packet>> {
    loop {
        match receive(&socket) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if !crate::sys::wait_readable(&socket, timeout_ms) {
                    return Err(io::ErrorKind::TimedOut.into());
                }
            }
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_strings_come_back() {
        let mut encoder = Encoder::of_kind(7);
        encoder.u32(1).u64(u64::MAX).bytes(b"abc").path(Path::new("/x"));
        encoder.list(&[1u32, 2], |encoder, item| {
            encoder.u32(*item);
        });
        let bytes = encoder.finish();
        let mut decoder = Decoder::new(&bytes);
        assert_eq!(decoder.u8(), Ok(7));
        assert_eq!(decoder.u32(), Ok(1));
        assert_eq!(decoder.u64(), Ok(u64::MAX));
        assert_eq!(decoder.bytes(), Ok(&b"abc"[..]));
        assert_eq!(decoder.path(), Ok(PathBuf::from("/x")));
        assert_eq!(decoder.list(2, |decoder| decoder.u32()), Ok(vec![1, 2]));
        assert_eq!(decoder.finish(), Ok(()));
    }

    #[test]
    fn every_truncation_is_refused() {
        let mut encoder = Encoder::of_kind(1);
        encoder.bytes(b"hello").u64(9);
        let bytes = encoder.finish();
        for length in 0..bytes.len() {
            let mut decoder = Decoder::new(&bytes[..length]);
            let read =
                decoder.u8().and_then(|_| decoder.bytes().map(drop)).and_then(|()| decoder.u64().map(drop));
            assert_eq!(read, Err(Malformed), "at length {length}");
        }
    }

    #[test]
    fn excess_and_long_lists_are_refused() {
        assert_eq!(Decoder::new(&[0]).finish(), Err(Malformed));
        let mut encoder = Encoder::default();
        encoder.list(&[1u32, 2, 3], |encoder, item| {
            encoder.u32(*item);
        });
        let bytes = encoder.finish();
        assert_eq!(Decoder::new(&bytes).list(2, |decoder| decoder.u32()), Err(Malformed));
    }

    #[test]
    fn descriptors_travel_with_the_message() {
        let (one, other) = socket_pair().unwrap();
        let (read, write) = rustix::pipe::pipe().unwrap();
        send(&one, b"x", &[write.as_fd()]).unwrap();
        drop(write);
        let packet = receive(&other).unwrap().unwrap();
        assert_eq!(packet.bytes, b"x");
        rustix::io::write(&packet.fds[0], b"through").unwrap();
        let mut buffer = [0; 7];
        rustix::io::read(&read, &mut buffer).unwrap();
        assert_eq!(&buffer, b"through");
    }

    #[test]
    fn oversize_is_an_error_and_close_is_none() {
        let (one, other) = socket_pair().unwrap();
        send(&one, &[1; 100], &[]).unwrap();
        assert_eq!(receive_up_to(&other, 10).unwrap_err().kind(), io::ErrorKind::InvalidData);
        drop(one);
        assert!(receive(&other).unwrap().is_none());
    }
}
