//! Reads the frames that language runtimes write to the descriptor named by `_LAMBDA_TELEMETRY_LOG_FD`, so that a
//! record of several lines stays one log event. Pure: bytes in, frames out, whatever the bytes.
//!
//! A frame is a four-byte type, a four-byte length, in newer types an eight-byte time in microseconds since the
//! epoch, and the message; numbers are big-endian. The type is `0xa55a0000` with bit 0 for text (else JSON), bit 1
//! for the time, and three bits of level above them, as the public runtime clients write it.
//!
//! Invariants: however the stream is cut into pieces, the same frames come out; what is held back never exceeds
//! one log event. A process may write anything here: what is no frame is skipped up to the next that looks like one.

use model::limits::LOG_EVENT_BYTES_MAX;
use model::time::Timestamp;

/// The part of a frame's type that is always the same.
const MAGIC: u32 = 0xa55a_0000;
const TEXT: u32 = 0b1;
const TIMED: u32 = 0b10;
const LEVEL_SHIFT: u32 = 2;
const LEVEL_BITS: u32 = 0b111;
/// All bits that vary.
const VARIABLE: u32 = TEXT | TIMED | (LEVEL_BITS << LEVEL_SHIFT);
const HEAD_BYTES: usize = 8;
const HEAD_TIMED_BYTES: usize = 16;
/// Nobody logs a message of this size; a greater length is taken for bytes that are no frame.
const MESSAGE_BYTES_MAX: u32 = 64 * 1024 * 1024;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    /// When it was logged, if the frame says so.
    pub at: Option<Timestamp>,
    /// How severe it is, if the frame says so.
    pub level: Option<Level>,
    /// Whether the runtime says that the message is JSON.
    pub json: bool,
    /// The message as written, with the line break at its end if it had one. A message that is longer than a log
    /// event may be comes as several frames with the same time and level.
    pub message: String,
}

/// The levels of Lambda's advanced logging controls, in rising severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
}

impl Level {
    const ALL: [Self; 6] = [Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Fatal];

    fn of_type(frame_type: u32) -> Option<Self> {
        let number = (frame_type >> LEVEL_SHIFT) & LEVEL_BITS;
        Self::ALL.get(usize::try_from(number).ok()?.checked_sub(1)?).copied()
    }
}

/// The reader's place in one stream.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    place: Place,
    /// The beginning of a head, or of a piece of a message.
    held: Vec<u8>,
    /// Whether bytes that are no frame have been seen; said once.
    skipped: bool,
}

#[derive(Debug, Default)]
enum Place {
    #[default]
    Head,
    Message(Message),
}

/// A message that is being read.
#[derive(Debug)]
struct Message {
    head: Head,
    left_bytes: usize,
}

#[derive(Debug, Clone, Copy)]
struct Head {
    at: Option<Timestamp>,
    level: Option<Level>,
    json: bool,
    length: u32,
}

impl Frames {
    /// Takes the next bytes of the stream and adds every frame that they complete to `out`.
    pub(crate) fn push(&mut self, mut bytes: &[u8], out: &mut Vec<Frame>) {
        while !bytes.is_empty() {
            bytes = match std::mem::take(&mut self.place) {
                Place::Head => self.push_head(bytes, out),
                Place::Message(message) => self.push_message(message, bytes, out),
            };
        }
    }

    /// Adds one byte to the head; a head is short, and looking after each byte keeps one rule for every split.
    fn push_head<'a>(&mut self, bytes: &'a [u8], out: &mut Vec<Frame>) -> &'a [u8] {
        let (first, rest) = bytes.split_at(1);
        self.held.extend_from_slice(first);
        loop {
            match Head::parse(&self.held) {
                Parsed::Head(head) => {
                    self.held.clear();
                    self.begin(head, out);
                    return rest;
                }
                Parsed::Unfinished => return rest,
                Parsed::Wrong => {
                    self.held.remove(0);
                    if !std::mem::replace(&mut self.skipped, true) {
                        tracing::debug!("what a runtime wrote for log frames is none; looking for the next");
                    }
                }
            }
        }
    }

    fn begin(&mut self, head: Head, out: &mut Vec<Frame>) {
        let left_bytes = usize::try_from(head.length).unwrap_or(usize::MAX);
        if left_bytes == 0 {
            out.push(head.frame(&[]));
        } else {
            self.place = Place::Message(Message { head, left_bytes });
        }
    }

    fn push_message<'a>(&mut self, mut message: Message, bytes: &'a [u8], out: &mut Vec<Frame>) -> &'a [u8] {
        let room = LOG_EVENT_BYTES_MAX - self.held.len();
        let (taken, rest) = bytes.split_at(bytes.len().min(room).min(message.left_bytes));
        self.held.extend_from_slice(taken);
        message.left_bytes -= taken.len();
        if message.left_bytes == 0 {
            out.push(message.head.frame(&self.held));
            self.held.clear();
            return rest;
        }
        if self.held.len() == LOG_EVENT_BYTES_MAX {
            let cut = character_boundary(&self.held);
            out.push(message.head.frame(&self.held[..cut]));
            self.held.drain(..cut);
        }
        self.place = Place::Message(message);
        rest
    }
}

/// What some bytes are as the beginning of a frame.
enum Parsed {
    Head(Head),
    Unfinished,
    Wrong,
}

impl Head {
    fn parse(bytes: &[u8]) -> Parsed {
        let known = bytes.len().min(2);
        if bytes[..known] != MAGIC.to_be_bytes()[..known] {
            return Parsed::Wrong;
        }
        let Some(frame_type) = number(bytes, 0) else { return Parsed::Unfinished };
        if frame_type & !VARIABLE != MAGIC {
            return Parsed::Wrong;
        }
        let Some(length) = number(bytes, 4) else { return Parsed::Unfinished };
        if length > MESSAGE_BYTES_MAX {
            return Parsed::Wrong;
        }
        let timed = frame_type & TIMED != 0;
        if bytes.len() < if timed { HEAD_TIMED_BYTES } else { HEAD_BYTES } {
            return Parsed::Unfinished;
        }
        let at = if timed { number(bytes, 8).zip(number(bytes, 12)).map(time) } else { None };
        let level = Level::of_type(frame_type);
        Parsed::Head(Self { at, level, json: frame_type & TEXT == 0, length })
    }

    fn frame(self, message: &[u8]) -> Frame {
        let message = String::from_utf8_lossy(message).into_owned();
        Frame { at: self.at, level: self.level, json: self.json, message }
    }
}

/// The big-endian number at an offset, if the bytes reach that far.
fn number(bytes: &[u8], offset: usize) -> Option<u32> {
    let bytes = bytes.get(offset..offset + 4)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

fn time((high, low): (u32, u32)) -> Timestamp {
    let micros = (u64::from(high) << 32) | u64::from(low);
    Timestamp::from_millis(i64::try_from(micros / 1_000).unwrap_or(i64::MAX))
}

/// Where to cut so that no character is torn: at the end, or before a character that the end tears.
fn character_boundary(bytes: &[u8]) -> usize {
    let is_start = |byte: &u8| byte & 0b1100_0000 != 0b1000_0000;
    let last_four = &bytes[bytes.len().saturating_sub(4)..];
    let Some(back) = last_four.iter().rev().position(is_start) else { return bytes.len() };
    let start = bytes.len() - back - 1;
    match std::str::from_utf8(&bytes[start..]) {
        Err(error) if error.error_len().is_none() => start,
        _ => bytes.len(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame_bytes(frame_type: u32, micros: Option<u64>, message: &[u8]) -> Vec<u8> {
        let mut bytes = frame_type.to_be_bytes().to_vec();
        bytes.extend(u32::try_from(message.len()).expect("a test's message").to_be_bytes());
        bytes.extend(micros.iter().flat_map(|micros| micros.to_be_bytes()));
        bytes.extend(message);
        bytes
    }

    fn read(pieces: &[&[u8]]) -> (Vec<Frame>, bool) {
        let (mut frames, mut out) = (Frames::default(), Vec::new());
        for piece in pieces {
            frames.push(piece, &mut out);
            assert!(frames.held.len() < LOG_EVENT_BYTES_MAX, "no more is held than one log event");
        }
        (out, frames.skipped)
    }

    fn messages(stream: &[u8]) -> Vec<String> {
        read(&[stream]).0.into_iter().map(|frame| frame.message).collect()
    }

    #[test]
    fn types_say_time_level_and_format() {
        let check = |frame_type: u32, at: Option<i64>, level: Option<Level>, json: bool| {
            let micros = at.map(|_| 1_700_000_000_123_456);
            let (frames, skipped) = read(&[&frame_bytes(frame_type, micros, b"two\nlines\n")]);
            let at = at.map(Timestamp::from_millis);
            let message = "two\nlines\n".to_owned();
            assert_eq!(frames, [Frame { at, level, json, message }], "{frame_type:x}");
            assert!(!skipped);
        };
        let time = Some(1_700_000_000_123);
        check(0xa55a_0001, None, None, false);
        check(0xa55a_0002, time, None, true);
        check(0xa55a_0003, time, None, false);
        check(0xa55a_0007, time, Some(Level::Trace), false);
        check(0xa55a_000a, time, Some(Level::Debug), true);
        check(0xa55a_000f, time, Some(Level::Info), false);
        check(0xa55a_0012, time, Some(Level::Warn), true);
        check(0xa55a_0017, time, Some(Level::Error), false);
        check(0xa55a_001b, time, Some(Level::Fatal), false);
        check(0xa55a_001f, time, None, false);
    }

    #[test]
    fn garbage_is_skipped_up_to_the_next_frame() {
        let good = frame_bytes(0xa55a_0001, None, b"good");
        let check = |garbage: &[u8]| {
            let (frames, skipped) = read(&[&[garbage, &good, garbage, &good].concat()]);
            assert!(skipped);
            let messages: Vec<_> = frames.into_iter().map(|frame| frame.message).collect();
            assert_eq!(messages, ["good", "good"], "{garbage:x?}");
        };
        check(b"a line that some process wrote here\n");
        check(&[0xa5, 0xa5, 0x5a, 0xa5]);
        check(&0xa55a_0020_u32.to_be_bytes());
        // A length that nobody means.
        check(&[0xa5, 0x5a, 0, 1, 0xff, 0xff, 0xff, 0xff]);
    }

    #[test]
    fn long_messages_come_in_pieces_of_whole_characters() {
        let long = "é".repeat(LOG_EVENT_BYTES_MAX / 2 + 10);
        let long = format!("x{long}");
        let pieces = messages(&frame_bytes(0xa55a_0001, None, long.as_bytes()));
        assert_eq!(pieces.iter().map(String::len).collect::<Vec<_>>(), [LOG_EVENT_BYTES_MAX - 1, 22]);
        assert_eq!(pieces.concat(), long);
        // What is no text at all is cut where it must be.
        let broken = vec![0x80; LOG_EVENT_BYTES_MAX + 1];
        assert_eq!(messages(&frame_bytes(0xa55a_0001, None, &broken)).len(), 2);
    }

    #[test]
    fn a_frame_may_be_empty_or_unfinished() {
        assert_eq!(messages(&frame_bytes(0xa55a_0003, Some(1), b"")), [""]);
        let whole = frame_bytes(0xa55a_0003, Some(1), b"text");
        assert_eq!(messages(&whole[..whole.len() - 1]), Vec::<String>::new());
    }

    /// A stream as it may come: frames of every type, cut short or not, and noise between them.
    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let frame = (0_u32..32, any::<u64>(), prop::collection::vec(any::<u8>(), 0..40)).prop_map(
            |(bits, micros, message)| {
                let micros = (bits & TIMED != 0).then_some(micros);
                frame_bytes(MAGIC | bits, micros, &message)
            },
        );
        let noise = prop::collection::vec(prop_oneof![Just(0xa5), Just(0x5a), Just(0), any::<u8>()], 0..12);
        prop::collection::vec(prop_oneof![3 => frame, 1 => noise], 0..12).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_frames(stream in stream(), cuts in prop::collection::vec(0_usize..400, 0..8)) {
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for cut in cuts.into_iter().chain([stream.len()]) {
                pieces.push(&stream[from..cut]);
                from = cut;
            }
            prop_assert_eq!(read(&pieces), read(&[&stream]));
        }

        #[test]
        fn every_frame_after_another_is_read(messages_in in prop::collection::vec("[ -~é\n]{0,30}", 0..10)) {
            let stream: Vec<u8> = messages_in
                .iter()
                .flat_map(|message| frame_bytes(0xa55a_000f, Some(7), message.as_bytes()))
                .collect();
            prop_assert_eq!(messages(&stream), messages_in);
        }
    }
}
