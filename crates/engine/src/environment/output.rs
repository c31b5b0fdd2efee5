//! What the processes of an environment write: their pipes, cut into records, kept as log events and, for callers
//! who ask, as the last 4 KB of an invocation. Standard output and error are cut into lines; the descriptor that
//! runtimes write log records to is read in frames.
//!
//! A line longer than a log event may be is cut. Reading is bounded per call, so a flood cannot starve others.

use std::io;
use std::sync::Arc;

use model::limits::{LOG_EVENT_BYTES_MAX, LOG_TAIL_BYTES};
use model::time::Timestamp;
use tokio::net::unix::pipe::Receiver;

use crate::telemetry::frames::{Frame, Frames};

/// How much is taken from each pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Amount {
    /// A little: others wait for their turn.
    Some,
    /// Whatever a pipe can hold: its writer has ended or paused, and nothing may be missed.
    All,
}

impl Amount {
    const fn bytes_max(self) -> usize {
        match self {
            Self::Some => 64 * 1024,
            Self::All => 1024 * 1024,
        }
    }

    /// A record costs about the same whether it is long or empty. A last piece may bring some more.
    const fn records_max(self) -> usize {
        match self {
            Self::Some => 1_000,
            Self::All => usize::MAX,
        }
    }
}

const CHUNK_BYTES: usize = 4 * 1024;

/// Whose words they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writer {
    /// The runtime, and with it the function.
    Function,
    /// An external extension.
    Extension,
}

/// How a pipe is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Lines.
    Lines,
    /// Records in frames, each of which may hold several lines.
    Frames,
}

/// One record of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    pub writer: Writer,
    /// When the process says that it wrote it.
    pub at: Option<Timestamp>,
    pub text: String,
}

/// The pipes of the current processes, and the tail kept since the last [`Output::take_tail`].
#[derive(Default)]
pub(crate) struct Output {
    pipes: Vec<Pipe>,
    tail: Tail,
}

struct Pipe {
    writer: Writer,
    source: Option<Arc<Receiver>>,
    partial: Partial,
}

/// What has come of a record that is not complete.
enum Partial {
    Line(Vec<u8>),
    Frame(Frames),
}

impl Output {
    /// Reads from this pipe, too.
    pub(crate) fn attach(&mut self, writer: Writer, form: Form, source: Arc<Receiver>) {
        let partial = match form {
            Form::Lines => Partial::Line(Vec::new()),
            Form::Frames => Partial::Frame(Frames::default()),
        };
        self.pipes.push(Pipe { writer, source: Some(source), partial });
    }

    /// Forgets the pipes of processes that have ended.
    pub(crate) fn detach(&mut self) {
        self.pipes.clear();
    }

    /// Everything that can be read now, as complete records. With `whole`, an unfinished line counts as one:
    /// the invocation that wrote it has ended.
    pub(crate) fn drain(&mut self, amount: Amount, whole: bool) -> Vec<Written> {
        let mut records = Vec::new();
        for pipe in &mut self.pipes {
            pipe.read(amount, &mut records);
            if let Partial::Line(partial) = &mut pipe.partial
                && (whole || pipe.source.is_none())
                && !partial.is_empty()
            {
                let text = text(&std::mem::take(partial));
                records.push(Written { writer: pipe.writer, at: None, text });
            }
        }
        for record in &records {
            self.tail.push(&record.text);
        }
        records
    }

    /// The pipes that are still open.
    pub(crate) fn open(&self) -> Vec<Arc<Receiver>> {
        self.pipes.iter().filter_map(|pipe| pipe.source.clone()).collect()
    }

    /// How many pipes are still open.
    pub(crate) fn open_count(&self) -> usize {
        self.pipes.iter().filter(|pipe| pipe.source.is_some()).count()
    }

    /// Adds one of the platform's own lines to the tail.
    pub(crate) fn note(&mut self, line: &str) {
        self.tail.push(line);
    }

    /// The tail, which then starts anew.
    pub(crate) fn take_tail(&mut self) -> Vec<u8> {
        self.tail.take()
    }

    /// Starts the tail anew.
    pub(crate) fn forget_tail(&mut self) {
        self.tail.0.clear();
    }
}

impl Pipe {
    fn read(&mut self, amount: Amount, records: &mut Vec<Written>) {
        let Some(source) = &self.source else { return };
        let mut chunk = [0; CHUNK_BYTES];
        let mut taken = 0;
        while taken < amount.bytes_max() && records.len() < amount.records_max() {
            match read_now(source, &mut chunk) {
                Ok(0) => {
                    self.source = None;
                    return;
                }
                Ok(count) => {
                    taken += count;
                    self.partial.push(self.writer, &chunk[..count], records);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.source = None;
                    return;
                }
            }
        }
    }
}

impl Partial {
    fn push(&mut self, writer: Writer, bytes: &[u8], records: &mut Vec<Written>) {
        match self {
            Self::Line(partial) => {
                let mut lines = Vec::new();
                split(partial, bytes, &mut lines);
                records.extend(lines.into_iter().map(|text| Written { writer, at: None, text }));
            }
            Self::Frame(frames) => {
                let mut whole = Vec::new();
                frames.push(bytes, &mut whole);
                records.extend(whole.into_iter().map(|frame| record_of(writer, frame)));
            }
        }
    }
}

/// The line break that ends a record is not part of it.
fn record_of(writer: Writer, frame: Frame) -> Written {
    let Frame { at, mut message, .. } = frame;
    if message.ends_with('\n') {
        message.pop();
    }
    Written { writer, at, text: message }
}

/// Reads what is there. The reactor may not have heard of the newest bytes yet, so the pipe itself is asked too:
/// at the end of an invocation nothing may be missed.
fn read_now(source: &Receiver, chunk: &mut [u8]) -> io::Result<usize> {
    match source.try_read(chunk) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(rustix::io::read(source, chunk)?),
        result => result,
    }
}

/// Adds `bytes` to the unfinished line and moves what is complete to `lines`.
fn split(partial: &mut Vec<u8>, bytes: &[u8], lines: &mut Vec<String>) {
    let mut pieces = bytes.split(|byte| *byte == b'\n').peekable();
    while let Some(piece) = pieces.next() {
        for part in piece.chunks(LOG_EVENT_BYTES_MAX) {
            if partial.len() + part.len() > LOG_EVENT_BYTES_MAX {
                lines.push(text(&std::mem::take(partial)));
            }
            partial.extend_from_slice(part);
        }
        if pieces.peek().is_some() {
            lines.push(text(partial));
            partial.clear();
        }
    }
}

/// Functions may write anything; what is not UTF-8 is replaced, as CloudWatch Logs does.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The last few kilobytes of lines.
#[derive(Default)]
struct Tail(Vec<u8>);

impl Tail {
    fn push(&mut self, line: &str) {
        self.0.extend_from_slice(line.as_bytes());
        self.0.push(b'\n');
        if self.0.len() > 4 * LOG_TAIL_BYTES {
            self.cut();
        }
    }

    fn cut(&mut self) {
        let surplus = self.0.len().saturating_sub(LOG_TAIL_BYTES);
        self.0.drain(..surplus);
    }

    fn take(&mut self) -> Vec<u8> {
        self.cut();
        std::mem::take(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pipe::{PipeFlags, pipe_with};

    fn lines(pieces: &[&[u8]]) -> (Vec<String>, Vec<u8>) {
        let (mut partial, mut lines) = (Vec::new(), Vec::new());
        for piece in pieces {
            split(&mut partial, piece, &mut lines);
        }
        (lines, partial)
    }

    #[test]
    fn lines_are_found_across_reads() {
        let (seen, rest) = lines(&[b"a\nb", b"c\n", b"\n", b"d"]);
        assert_eq!(seen, ["a", "bc", ""]);
        assert_eq!(rest, b"d");
    }

    #[test]
    fn endless_lines_are_cut() {
        let long = vec![b'x'; LOG_EVENT_BYTES_MAX + 10];
        let (seen, rest) = lines(&[&long, b"y\n"]);
        assert_eq!(seen.iter().map(String::len).collect::<Vec<_>>(), [LOG_EVENT_BYTES_MAX, 11]);
        assert!(rest.is_empty());
    }

    #[test]
    fn the_tail_is_the_end_and_bounded() {
        let mut tail = Tail::default();
        for number in 0..100_000 {
            tail.push(&number.to_string());
        }
        let kept = tail.take();
        assert_eq!(kept.len(), LOG_TAIL_BYTES);
        assert!(kept.ends_with(b"99998\n99999\n"));
        assert!(tail.take().is_empty());
    }

    #[tokio::test]
    async fn an_unfinished_line_counts_when_the_invocation_ends() {
        let (out_read, out_write) = pipe_with(PipeFlags::NONBLOCK).expect("a pipe");
        let (err_read, _err_write) = pipe_with(PipeFlags::NONBLOCK).expect("a pipe");
        let mut output = Output::default();
        for end in [out_read, err_read] {
            let end = Arc::new(Receiver::from_owned_fd(end).expect("a pipe's end"));
            output.attach(Writer::Function, Form::Lines, end);
        }
        let texts = |records: Vec<Written>| records.into_iter().map(|record| record.text).collect::<Vec<_>>();
        rustix::io::write(&out_write, b"one\ntw").expect("room in the pipe");
        assert_eq!(texts(output.drain(Amount::All, false)), ["one"]);
        assert_eq!(texts(output.drain(Amount::All, true)), ["tw"]);
        assert_eq!(output.take_tail(), b"one\ntw\n");
    }
}
