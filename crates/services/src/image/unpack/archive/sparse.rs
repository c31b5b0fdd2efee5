//! Sparse files in tars: GNU's own header with its continuations, and the three forms inside pax headers.
//!
//! A map is used only after [`check`] has found it in order, within the file and as long as what is stored.

use std::io::Read;

use super::Archive;
use super::header::{BLOCK, Block, Extensions, number, parsed};
use crate::image::unpack::UnpackError;

/// Parts of one sparse file.
const PARTS_MAX: usize = 65_536;

/// A map and the whole size of the file.
pub(super) type Map = (Vec<(u64, u64)>, u64);

/// What pax headers say of a sparse file.
#[derive(Debug, Clone, Default)]
pub(super) struct Pax {
    major: Option<u32>,
    /// The real path; the header's own is made up.
    pub(super) name: Option<Vec<u8>>,
    size: Option<u64>,
    /// Offsets and lengths in turn (formats 0.0 and 0.1).
    map: Vec<u64>,
}

impl Pax {
    /// Takes one record whose key began with `GNU.sparse.`; `None` if it is malformed.
    pub(super) fn record(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        match key {
            b"major" => self.major = Some(parsed(value)?),
            b"name" => self.name = Some(value.to_vec()),
            b"size" | b"realsize" => self.size = Some(parsed(value)?),
            b"map" => self.map = value.split(|byte| *byte == b',').map(parsed).collect::<Option<_>>()?,
            b"offset" | b"numbytes" if self.map.len() < 2 * PARTS_MAX => self.map.push(parsed(value)?),
            b"minor" | b"numblocks" => {}
            _ => return None,
        }
        Some(())
    }
}

impl<R: Read> Archive<R> {
    /// The map in a GNU header of kind `S` and in the blocks that continue it.
    pub(super) fn read_gnu_map(&mut self, block: &Block) -> Result<Map, UnpackError> {
        let bytes = block.bytes();
        let size = u64::try_from(number(&bytes[483..495])?)
            .map_err(|_| UnpackError::Format("a size is negative"))?;
        let mut parts = Vec::new();
        read_parts(&bytes[386..482], &mut parts)?;
        let mut continued = bytes[482] != 0;
        while continued {
            if parts.len() > PARTS_MAX {
                return Err(UnpackError::Format("a sparse file has too many parts"));
            }
            // These blocks stand before the content and are not counted in the entry's size.
            let mut more = [0; BLOCK];
            self.reader.read_exact(&mut more).map_err(UnpackError::Read)?;
            read_parts(&more[..504], &mut parts)?;
            continued = more[504] != 0;
        }
        Ok((parts, size))
    }

    /// The map that pax headers give, or announce at the start of the content.
    pub(super) fn read_pax_map(&mut self, extensions: &Extensions) -> Result<Option<Map>, UnpackError> {
        let pax = &extensions.sparse;
        let Some(size) = pax.size else { return Ok(None) };
        let numbers = if pax.major == Some(1) { self.read_map_from_content()? } else { pax.map.clone() };
        let (pairs, rest) = numbers.as_chunks::<2>();
        if !rest.is_empty() || pairs.len() > PARTS_MAX {
            return Err(UnpackError::Format("the map of a sparse file is malformed"));
        }
        Ok(Some((pairs.iter().map(|[offset, length]| (*offset, *length)).collect(), size)))
    }

    /// Format 1.0: a count, then offsets and lengths, a decimal number a line, filled up to a whole block.
    fn read_map_from_content(&mut self) -> Result<Vec<u64>, UnpackError> {
        const MALFORMED: UnpackError = UnpackError::Format("the map of a sparse file is malformed");
        let (mut numbers, mut digits, mut wanted) = (Vec::new(), Vec::new(), 1);
        let mut first = true;
        while numbers.len() < wanted {
            let mut block = [0; BLOCK];
            self.fill(&mut block)?;
            for byte in block {
                match byte {
                    b'0'..=b'9' if digits.len() < 20 => digits.push(byte),
                    b'\n' => {
                        let value: u64 = parsed(&digits).ok_or(MALFORMED)?;
                        digits.clear();
                        if first {
                            let count = usize::try_from(value).ok().filter(|count| *count <= PARTS_MAX);
                            wanted = count.ok_or(MALFORMED)? * 2;
                            first = false;
                        } else {
                            numbers.push(value);
                        }
                    }
                    _ => return Err(MALFORMED),
                }
                if !first && numbers.len() == wanted {
                    break;
                }
            }
        }
        Ok(numbers)
    }
}

/// Pairs of offset and length in header fields, up to the first that is empty.
fn read_parts(fields: &[u8], parts: &mut Vec<(u64, u64)>) -> Result<(), UnpackError> {
    for pair in fields.chunks_exact(24) {
        if pair[0] == 0 {
            return Ok(());
        }
        let field =
            |bytes| u64::try_from(number(bytes)?).map_err(|_| UnpackError::Format("a size is negative"));
        parts.push((field(&pair[..12])?, field(&pair[12..])?));
    }
    Ok(())
}

/// Whether a map is in order, within the file, and as long as what is stored.
pub(super) fn check(parts: &[(u64, u64)], size: u64, stored: u64) -> Result<(), &'static str> {
    let mut end = 0_u64;
    let mut sum = 0_u64;
    for (offset, length) in parts {
        if *offset < end {
            return Err("the parts of the sparse file overlap");
        }
        end = offset.checked_add(*length).filter(|end| *end <= size).ok_or("a part lies beyond its end")?;
        sum += length;
    }
    if sum == stored { Ok(()) } else { Err("its parts are not what is stored") }
}
