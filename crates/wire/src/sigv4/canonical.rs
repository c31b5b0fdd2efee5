//! The canonical request, fed straight into its hash: no text is built for it.
//!
//! Order of the parts and every rule of encoding are the scheme's; see the module above for its source.

use http::HeaderMap;
use percent_encoding::percent_encode;
use sha2::{Digest, Sha256};

use super::key::hex;
use super::{Form, Parts, Rules};
use crate::percent;

/// Text that goes into a hash.
struct Hashed(Sha256);

impl Hashed {
    fn add(&mut self, text: impl AsRef<[u8]>) {
        self.0.update(text);
    }

    fn encoded(&mut self, bytes: &[u8]) {
        for piece in percent_encode(bytes, percent::RESERVED) {
            self.add(piece);
        }
    }
}

/// The hash of the canonical request, in hexadecimal. `payload` is the text in its last line. In presigned form the
/// signature itself is left out of the query. A header that is signed but absent counts as empty, which no correct
/// signature covers.
pub(super) fn request_hash(
    parts: &Parts<'_>,
    rules: Rules,
    form: Form,
    signed_headers: &str,
    payload: &[u8],
) -> [u8; 64] {
    let mut hashed = Hashed(Sha256::new());
    hashed.add(parts.method);
    hashed.add("\n");
    path(&mut hashed, parts.path, rules);
    hashed.add("\n");
    query(&mut hashed, parts.query, form);
    hashed.add("\n");
    for name in signed_headers.split(';') {
        header(&mut hashed, parts.headers, name);
    }
    hashed.add("\n");
    hashed.add(signed_headers);
    hashed.add("\n");
    hashed.add(payload);
    hex(&hashed.0.finalize().into())
}

fn path(hashed: &mut Hashed, path: &str, rules: Rules) {
    if rules.raw_path {
        let decoded: Vec<u8> = percent_encoding::percent_decode_str(path).collect();
        return segments(hashed, decoded.split(|byte| *byte == b'/'));
    }
    if !path.contains("//") && !path.contains("/.") {
        return segments(hashed, path.as_bytes().split(|byte| *byte == b'/'));
    }
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            other => kept.push(other),
        }
    }
    hashed.add("/");
    segments(hashed, kept.iter().map(|segment| segment.as_bytes()));
    if path.ends_with('/') && !kept.is_empty() {
        hashed.add("/");
    }
}

fn segments<'p>(hashed: &mut Hashed, segments: impl Iterator<Item = &'p [u8]>) {
    for (i, segment) in segments.enumerate() {
        if i > 0 {
            hashed.add("/");
        }
        hashed.encoded(segment);
    }
}

/// The query sorted by encoded name and value.
fn query(hashed: &mut Hashed, query: &str, form: Form) {
    if query.is_empty() {
        return;
    }
    let encoded = |text: &str| {
        let decoded: Vec<u8> = percent_encoding::percent_decode_str(text).collect();
        percent_encode(&decoded, percent::RESERVED).to_string()
    };
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (encoded(name), encoded(value)))
        .filter(|(name, _)| form == Form::Header || name != "X-Amz-Signature")
        .collect();
    pairs.sort_unstable();
    for (i, (name, value)) in pairs.iter().enumerate() {
        if i > 0 {
            hashed.add("&");
        }
        hashed.add(name);
        hashed.add("=");
        hashed.add(value);
    }
}

/// `name:values\n`, each value trimmed and with single spaces.
fn header(hashed: &mut Hashed, headers: &HeaderMap, name: &str) {
    hashed.add(name);
    hashed.add(":");
    for (i, value) in headers.get_all(name).iter().enumerate() {
        if i > 0 {
            hashed.add(",");
        }
        let words = value.as_bytes().split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty());
        for (i, word) in words.enumerate() {
            if i > 0 {
                hashed.add(" ");
            }
            hashed.add(word);
        }
    }
    hashed.add("\n");
}
