//! The `aws-chunked` body: an incremental decoder that verifies each chunk's signature, the chain between them and
//! the trailer.
//!
//! Data is handed out as it comes, before its chunk's signature can be checked; the caller must keep nothing unless
//! [`ChunkDecoder::finish`] succeeds. No more than one header line is buffered, and lines, trailers and the whole
//! length are bounded. After an error every further call fails.

use sha2::{Digest, Sha256};

use super::key::{hex, sha256};
use super::{Authorization, Signature, SigningKey};

/// Longest line before a chunk: sixteen digits of size, the signature, and room for extensions.
const LINE_BYTES_MAX: usize = 512;
/// All trailing headers together.
const TRAILER_BYTES_MAX: usize = 8 * 1024;

/// Why a chunked body is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// The framing is broken.
    #[error("the chunked body is not in form: {0}")]
    Malformed(&'static str),
    /// A chunk's or the trailer's signature does not match.
    #[error("a chunk's signature does not match")]
    SignatureMismatch,
    /// The decoded length is not the one that was announced.
    #[error("the decoded body is not as long as announced")]
    LengthMismatch,
    /// The body ended before its last chunk.
    #[error("the chunked body ends early")]
    Incomplete,
}

/// Names (in lower case) and values of the trailing headers.
pub type Trailers = Vec<(String, String)>;

/// Decodes one body; see the module for what may be done with its output.
#[derive(Debug)]
pub struct ChunkDecoder {
    chain: Option<Chain>,
    has_trailer: bool,
    state: State,
    line: Vec<u8>,
    length_left: u64,
    trailers: Trailers,
    trailer_bytes: usize,
}

/// What signed chunks are checked with.
#[derive(Debug)]
struct Chain {
    key: SigningKey,
    /// Time and scope, as they stand in every text to sign.
    context: String,
    previous: Signature,
    hash: Sha256,
}

#[derive(Debug)]
enum State {
    /// The line before a chunk.
    Head,
    /// Inside a chunk with this many bytes left.
    Data {
        left: u64,
        signature: Option<Signature>,
    },
    /// The line end after a chunk.
    DataEnd,
    /// A line after the last chunk.
    Trailer,
    Done,
    Failed(ChunkError),
}

impl Chain {
    /// Checks `signature` over `rest`, then makes it the one that the next builds on.
    fn advance(&mut self, algorithm: &str, rest: &[&[u8]], signature: Signature) -> Result<(), ChunkError> {
        let previous = self.previous.to_hex();
        let mut parts: Vec<&[u8]> =
            vec![algorithm.as_bytes(), b"\n", self.context.as_bytes(), b"\n", previous.as_bytes(), b"\n"];
        parts.extend_from_slice(rest);
        if self.key.sign(&parts) != signature {
            return Err(ChunkError::SignatureMismatch);
        }
        self.previous = signature;
        Ok(())
    }

    fn chunk(&mut self, signature: Signature) -> Result<(), ChunkError> {
        let hash = hex(&std::mem::take(&mut self.hash).finalize().into());
        let rest: [&[u8]; 3] = [&hex(&sha256(b"")), b"\n", &hash];
        self.advance("AWS4-HMAC-SHA256-PAYLOAD", &rest, signature)
    }

    fn trailer(&mut self, trailers: &Trailers, signature: Signature) -> Result<(), ChunkError> {
        let text: String = trailers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        self.advance("AWS4-HMAC-SHA256-TRAILER", &[&hex(&sha256(text.as_bytes()))], signature)
    }
}

impl ChunkDecoder {
    /// For a body whose chunks continue the signature of `authorization`.
    pub(super) fn signed(key: &SigningKey, authorization: &Authorization, trailer: bool) -> Self {
        let context = format!("{}\n{}", authorization.time_text, authorization.scope_text());
        let previous = authorization.signature;
        Self::new(Some(Chain { key: key.clone(), context, previous, hash: Sha256::new() }), trailer)
    }

    /// For a body whose chunks carry no signature.
    pub(super) fn unsigned() -> Self {
        Self::new(None, true)
    }

    fn new(chain: Option<Chain>, has_trailer: bool) -> Self {
        Self {
            chain,
            has_trailer,
            state: State::Head,
            line: Vec::new(),
            length_left: 0,
            trailers: Vec::new(),
            trailer_bytes: 0,
        }
    }

    pub(super) fn of_length(mut self, bytes: u64) -> Self {
        self.length_left = bytes;
        self
    }

    /// Takes the next bytes of the body and hands decoded data to `out`.
    pub fn push(&mut self, mut input: &[u8], mut out: impl FnMut(&[u8])) -> Result<(), ChunkError> {
        while !input.is_empty() {
            let step = self.step(input, &mut out);
            match step {
                Ok(taken) => input = &input[taken..],
                Err(error) => {
                    self.state = State::Failed(error.clone());
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Says whether the body was whole and right.
    pub fn finish(self) -> Result<Trailers, ChunkError> {
        match self.state {
            State::Done if self.length_left == 0 => Ok(self.trailers),
            State::Done => Err(ChunkError::LengthMismatch),
            State::Failed(error) => Err(error),
            _ => Err(ChunkError::Incomplete),
        }
    }

    /// Handles a first part of `input` and says how long it was; at least one byte.
    fn step(&mut self, input: &[u8], out: &mut impl FnMut(&[u8])) -> Result<usize, ChunkError> {
        match &mut self.state {
            State::Failed(error) => return Err(error.clone()),
            State::Done => return Err(ChunkError::Malformed("bytes follow its end")),
            State::Data { left, signature } => {
                let part = &input[..usize::try_from(*left).unwrap_or(usize::MAX).min(input.len())];
                *left -= part.len() as u64;
                let (done, signature) = (*left == 0, *signature);
                if let Some(chain) = &mut self.chain {
                    chain.hash.update(part);
                }
                out(part);
                if done {
                    self.end_chunk(signature)?;
                    self.state = State::DataEnd;
                }
                return Ok(part.len());
            }
            State::Head | State::DataEnd | State::Trailer => {}
        }
        let end = input.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(input.len(), |end| end + 1);
        if self.line.len() + taken > LINE_BYTES_MAX {
            return Err(ChunkError::Malformed("a line is too long"));
        }
        self.line.extend_from_slice(&input[..taken]);
        if end.is_some() {
            let line = std::mem::take(&mut self.line);
            let line =
                line.strip_suffix(b"\r\n").ok_or(ChunkError::Malformed("a line does not end in CRLF"))?;
            self.line_end(line)?;
        }
        Ok(taken)
    }

    fn end_chunk(&mut self, signature: Option<Signature>) -> Result<(), ChunkError> {
        match (&mut self.chain, signature) {
            (Some(chain), Some(signature)) => chain.chunk(signature),
            (Some(_), None) => Err(ChunkError::Malformed("a chunk has no signature")),
            (None, _) => Ok(()),
        }
    }

    fn line_end(&mut self, line: &[u8]) -> Result<(), ChunkError> {
        let text = std::str::from_utf8(line).map_err(|_| ChunkError::Malformed("a line is not text"))?;
        match self.state {
            State::Head => self.head(text),
            State::DataEnd if text.is_empty() => {
                self.state = State::Head;
                Ok(())
            }
            State::DataEnd => Err(ChunkError::Malformed("a chunk is longer than its size")),
            _ => self.trailer(text),
        }
    }

    fn head(&mut self, line: &str) -> Result<(), ChunkError> {
        let (size, extension) = line.split_once(';').unwrap_or((line, ""));
        let legal = (1..=16).contains(&size.len()) && size.bytes().all(|byte| byte.is_ascii_hexdigit());
        let size = u64::from_str_radix(size, 16).ok().filter(|_| legal);
        let size = size.ok_or(ChunkError::Malformed("a chunk's size is not a hexadecimal number"))?;
        let signature = extension.strip_prefix("chunk-signature=").and_then(Signature::parse);
        self.length_left = self.length_left.checked_sub(size).ok_or(ChunkError::LengthMismatch)?;
        if size > 0 {
            self.state = State::Data { left: size, signature };
        } else {
            self.end_chunk(signature)?;
            self.state = State::Trailer;
        }
        Ok(())
    }

    fn trailer(&mut self, line: &str) -> Result<(), ChunkError> {
        const SIGNATURE: &str = "x-amz-trailer-signature";
        if line.is_empty() {
            // A signed trailer ends the body with its signature, which is checked when it comes.
            if self.has_trailer && self.chain.is_some() {
                return Err(ChunkError::Malformed("its trailer has no signature"));
            }
            self.state = State::Done;
            return Ok(());
        }
        self.trailer_bytes += line.len();
        if !self.has_trailer || self.trailer_bytes > TRAILER_BYTES_MAX {
            return Err(ChunkError::Malformed("its trailer is unexpected or too long"));
        }
        let (name, value) = line.split_once(':').ok_or(ChunkError::Malformed("a trailer has no value"))?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        match &mut self.chain {
            Some(chain) if name == SIGNATURE => {
                let signature = Signature::parse(value).ok_or(ChunkError::SignatureMismatch)?;
                chain.trailer(&self.trailers, signature)?;
                // The empty line that follows closes the body.
                self.has_trailer = false;
            }
            _ => self.trailers.push((name, value.to_owned())),
        }
        Ok(())
    }
}
