//! Decompression of layers: gzip with any number of members, zstd with any number of frames, or none.
//!
//! Both decoders are safe Rust. Memory is bounded by the formats' windows, and by 100 MiB where a zstd frame asks
//! for more (then it is refused).

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::BlockDecodingStrategy;
use ruzstd::decoding::FrameDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};

use crate::oci::media_type::Compression;

/// Read from the compressed side at a time.
const BUFFER_BYTES: usize = 64 * 1024;
/// Decoded at a time, at most; the decoder's window adds at most 100 MiB to it.
const STEP_BYTES: usize = 1024 * 1024;

/// Reads the uncompressed bytes of a layer. Memory is bounded whatever the input says.
pub struct Decoder<R: Read>(Inner<BufReader<R>>);

enum Inner<R: BufRead> {
    Plain(R),
    Gzip(Box<MultiGzDecoder<R>>),
    Zstd(Box<Frames<R>>),
}

impl<R: Read> Decoder<R> {
    /// Decompresses `reader`; nothing is read yet.
    pub fn new(reader: R, compression: Compression) -> Self {
        let reader = BufReader::with_capacity(BUFFER_BYTES, reader);
        Self(match compression {
            Compression::None => Inner::Plain(reader),
            Compression::Gzip => Inner::Gzip(Box::new(MultiGzDecoder::new(reader))),
            Compression::Zstd => {
                Inner::Zstd(Box::new(Frames { reader, decoder: FrameDecoder::new(), within: false }))
            }
        })
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Inner::Plain(reader) => reader.read(buffer),
            Inner::Gzip(decoder) => decoder.read(buffer),
            Inner::Zstd(frames) => frames.read(buffer),
        }
    }
}

/// One zstd frame after the other; skippable ones, which some tools use for tables of contents, are skipped.
struct Frames<R> {
    reader: R,
    decoder: FrameDecoder,
    /// Whether a frame has begun and has not ended.
    within: bool,
}

impl<R: BufRead> Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if self.decoder.can_collect() > 0 {
                return self.decoder.read(buffer);
            }
            if self.within && !self.decoder.is_finished() {
                let step = BlockDecodingStrategy::UptoBytes(STEP_BYTES.min(buffer.len().max(BUFFER_BYTES)));
                self.decoder.decode_blocks(&mut self.reader, step).map_err(io::Error::other)?;
                continue;
            }
            if self.reader.fill_buf()?.is_empty() {
                return Ok(0);
            }
            self.within = match self.decoder.reset(&mut self.reader) {
                Ok(()) => true,
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let length = u64::from(length);
                    let skipped = io::copy(&mut self.reader.by_ref().take(length), &mut io::sink())?;
                    if skipped < length {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    false
                }
                Err(error) => return Err(io::Error::other(error)),
            };
        }
    }
}
