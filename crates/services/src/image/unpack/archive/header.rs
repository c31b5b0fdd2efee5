//! One header block of a tar, and the extension records that go before it.
//!
//! Pure: bytes in, values out. Every number is checked for its range, every text ends within its field.

use super::{Kind, sparse};
use crate::image::unpack::UnpackError;

/// Headers and contents are multiples of this.
pub(super) const BLOCK: usize = 512;
/// Extended attributes of one entry.
const XATTRS_MAX: usize = 256;

/// A header whose checksum is right.
pub(super) struct Block([u8; BLOCK]);

impl Block {
    pub(super) fn checked(bytes: [u8; BLOCK]) -> Result<Self, UnpackError> {
        let block = Self(bytes);
        let claimed = block.number(148..156)?;
        // The checksum's own field counts as spaces. Some old writers summed signed bytes.
        let counted = |index: usize, byte: u8| if (148..156).contains(&index) { b' ' } else { byte };
        let bytes = || bytes.iter().enumerate().map(|(index, byte)| counted(index, *byte));
        let unsigned: i64 = bytes().map(i64::from).sum();
        let signed: i64 = bytes().map(|byte| i64::from(byte.cast_signed())).sum();
        if claimed == unsigned || claimed == signed {
            return Ok(block);
        }
        Err(UnpackError::Format("a header's checksum is wrong"))
    }

    pub(super) fn kind(&self) -> u8 {
        self.0[156]
    }

    pub(super) fn is_gnu_sparse(&self) -> bool {
        self.kind() == b'S'
    }

    pub(super) fn bytes(&self) -> &[u8; BLOCK] {
        &self.0
    }

    /// What the entry is, and its path.
    pub(super) fn kind_and_path(&self, extensions: &Extensions) -> Result<(Kind, Vec<u8>), UnpackError> {
        let sparse_name = extensions.sparse.name.clone();
        let path = sparse_name.or_else(|| extensions.path.clone()).unwrap_or_else(|| self.path());
        let kind = match self.kind() {
            // Before POSIX, a directory was a file whose name ends with a slash.
            0 | b'0' | b'7' if path.ends_with(b"/") => Kind::Directory,
            0 | b'0' | b'7' | b'S' => Kind::File,
            b'1' => Kind::Hardlink,
            b'2' => Kind::Symlink,
            b'3' | b'4' => Kind::Device,
            b'5' => Kind::Directory,
            b'6' => Kind::Fifo,
            _ => return Err(UnpackError::illegal(&path, "its kind is unknown")),
        };
        Ok((kind, path))
    }

    fn path(&self) -> Vec<u8> {
        let name = text(&self.0[..100]);
        // The prefix is POSIX's; GNU keeps other things in its place.
        let prefix = if &self.0[257..263] == b"ustar\0" { text(&self.0[345..500]) } else { Vec::new() };
        if prefix.is_empty() { name } else { [prefix, name].join(&b'/') }
    }

    pub(super) fn link(&self) -> Vec<u8> {
        text(&self.0[157..257])
    }

    pub(super) fn size(&self) -> Result<u64, UnpackError> {
        u64::try_from(self.number(124..136)?).map_err(|_| UnpackError::Format("a size is negative"))
    }

    pub(super) fn mode(&self) -> Result<u32, UnpackError> {
        u32::try_from(self.number(100..108)? & 0o7777).map_err(|_| UnpackError::Format("a mode is no number"))
    }

    pub(super) fn uid(&self) -> Result<u32, UnpackError> {
        self.id(108..116)
    }

    pub(super) fn gid(&self) -> Result<u32, UnpackError> {
        self.id(116..124)
    }

    fn id(&self, field: std::ops::Range<usize>) -> Result<u32, UnpackError> {
        valid_id(self.number(field)?)
    }

    pub(super) fn modified(&self) -> Result<(i64, u32), UnpackError> {
        Ok((self.number(136..148)?, 0))
    }

    /// A number in octal digits, or in base 256 where the first bit is set (GNU).
    pub(super) fn number(&self, field: std::ops::Range<usize>) -> Result<i64, UnpackError> {
        number(&self.0[field])
    }
}

/// See [`Block::number`].
pub(super) fn number(field: &[u8]) -> Result<i64, UnpackError> {
    let malformed = UnpackError::Format("a number in a header is malformed");
    if let Some(first) = field.first().filter(|first| **first & 0x80 != 0) {
        let start = if first & 0x40 == 0 { i128::from(first & 0x3f) } else { i128::from(*first) - 256 };
        let value = field[1..].iter().try_fold(start, |value, byte| {
            Some((value << 8) | i128::from(*byte)).filter(|value| i64::try_from(*value).is_ok())
        });
        return value.and_then(|value| i64::try_from(value).ok()).ok_or(malformed);
    }
    let is_filler = |byte: &u8| matches!(byte, b' ' | 0);
    let digits = field.iter().skip_while(|byte| is_filler(byte)).take_while(|byte| !is_filler(byte));
    let value = digits.copied().try_fold(0_i64, |value, digit| match digit {
        b'0'..=b'7' => value.checked_mul(8)?.checked_add(i64::from(digit - b'0')),
        _ => None,
    });
    value.ok_or(malformed)
}

fn valid_id(value: i64) -> Result<u32, UnpackError> {
    // The last value means "leave as it is" to the system call.
    let id = u32::try_from(value).ok().filter(|id| *id != u32::MAX);
    id.ok_or(UnpackError::Format("an owner's number is out of range"))
}

fn text(field: &[u8]) -> Vec<u8> {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    field[..end].to_vec()
}

/// What extension headers say about the entry that follows.
#[derive(Debug, Clone, Default)]
pub(super) struct Extensions {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    pub(super) modified: Option<(i64, u32)>,
    pub(super) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) sparse: sparse::Pax,
}

impl Extensions {
    /// Reads records of the form `LENGTH KEY=VALUE\n`.
    pub(super) fn read_pax(&mut self, mut bytes: &[u8]) -> Result<(), UnpackError> {
        const MALFORMED: UnpackError = UnpackError::Format("a pax header is malformed");
        while !bytes.is_empty() {
            let space = bytes.iter().position(|byte| *byte == b' ').ok_or(MALFORMED)?;
            let length: usize = parsed(&bytes[..space]).ok_or(MALFORMED)?;
            let record = bytes.get(space + 1..length).ok_or(MALFORMED)?;
            let record = record.strip_suffix(b"\n").ok_or(MALFORMED)?;
            let equals = record.iter().position(|byte| *byte == b'=').ok_or(MALFORMED)?;
            self.record(&record[..equals], &record[equals + 1..])?;
            bytes = &bytes[length..];
        }
        Ok(())
    }

    fn record(&mut self, key: &[u8], value: &[u8]) -> Result<(), UnpackError> {
        const MALFORMED: UnpackError = UnpackError::Format("a number in a pax header is malformed");
        match key {
            b"path" => self.path = Some(value.to_vec()),
            b"linkpath" => self.link = Some(value.to_vec()),
            b"size" => self.size = Some(parsed(value).ok_or(MALFORMED)?),
            b"uid" => self.uid = Some(valid_id(parsed(value).ok_or(MALFORMED)?)?),
            b"gid" => self.gid = Some(valid_id(parsed(value).ok_or(MALFORMED)?)?),
            b"mtime" => self.modified = Some(time(value).ok_or(MALFORMED)?),
            _ => {
                if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    if self.xattrs.len() >= XATTRS_MAX {
                        return Err(UnpackError::Format("an entry has too many extended attributes"));
                    }
                    self.xattrs.push((name.to_vec(), value.to_vec()));
                } else if let Some(key) = key.strip_prefix(b"GNU.sparse.") {
                    self.sparse.record(key, value).ok_or(MALFORMED)?;
                }
            }
        }
        Ok(())
    }
}

/// A decimal number.
pub(super) fn parsed<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// `SECONDS[.FRACTION]`.
fn time(text: &[u8]) -> Option<(i64, u32)> {
    let text = std::str::from_utf8(text).ok()?;
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    let nanos: u32 = digits.parse().ok()?;
    let seconds: i64 = seconds.parse().ok()?;
    // Before the epoch the fraction counts backwards.
    if text.starts_with('-') && nanos > 0 {
        return Some((seconds.checked_sub(1)?, 1_000_000_000 - nanos));
    }
    Some((seconds, nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for (field, expected) in [
            (&b"0000644\0"[..], Some(0o644)),
            (b"   644 \0", Some(0o644)),
            (b"", Some(0)),
            (b"\0\0\0", Some(0)),
            (b"9", None),
            (b"\x80\0\0\x01", Some(1)),
            (b"\xff\xff\xff\xfe", Some(-2)),
            (b"\x80\xff\xff\xff\xff\xff\xff\xff\xff", None),
            (b"777777777777777777777777", None),
        ] {
            assert_eq!(number(field).ok(), expected, "{field:?}");
        }
    }

    #[test]
    fn times() {
        for (text, expected) in [
            (&b"1.5"[..], Some((1, 500_000_000))),
            (b"7", Some((7, 0))),
            (b"-1.25", Some((-2, 750_000_000))),
            (b"1.1234567899", Some((1, 123_456_789))),
            (b"x", None),
            (b"1.-5", None),
        ] {
            assert_eq!(time(text), expected, "{text:?}");
        }
    }

    #[test]
    fn pax_records_say_their_own_length() {
        let read = |bytes: &[u8]| {
            let mut extensions = Extensions::default();
            extensions.read_pax(bytes).ok().map(|()| extensions.path.unwrap_or_default())
        };
        assert_eq!(read(b"12 path=a/b\n"), Some(b"a/b".to_vec()));
        for broken in
            [&b"12 path=a/b"[..], b"99 path=a/b\n", b"3 path=a/b\n", b"x path=a\n", b"9 patha/b\n", b"0 \n"]
        {
            assert_eq!(read(broken), None, "{broken:?}");
        }
    }
}
