//! The scheme against requests signed by botocore, against the examples that Amazon S3's reference works through,
//! against our own signer, and against damage: no change of a signed part may pass.

use http::{HeaderMap, HeaderName, HeaderValue};
use model::time::Timestamp;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::time::parse_basic;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// 2026-11-23T15:00:00Z.
const NOW: Timestamp = Timestamp::from_millis(1_795_446_000_000);

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let parse = |(name, value): &(&str, &str)| {
        (
            HeaderName::from_bytes(name.as_bytes()).expect("a name"),
            HeaderValue::from_str(value).expect("a value"),
        )
    };
    let mut map = HeaderMap::new();
    for (name, value) in pairs.iter().map(parse) {
        map.append(name, value);
    }
    map
}

/// A request that owns its parts, so that tests can damage them.
#[derive(Debug, Clone)]
struct Owned {
    method: String,
    path: String,
    query: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Owned {
    fn new(method: &str, path: &str, query: &str, extra: &[(&str, &str)], body: &[u8]) -> Self {
        let mut headers = headers(extra);
        headers.insert("host", HeaderValue::from_static("lambda.eu-west-1.localhost:4566"));
        let (method, path, query) = (method.to_owned(), path.to_owned(), query.to_owned());
        Self { method, path, query, headers, body: body.to_vec() }
    }

    fn sign(&mut self, target: Target<'_>) {
        let Self { method, path, query, headers, body } = self;
        sign(&mut Outgoing { method, path, query, headers, body }, target, &credentials(None), NOW);
    }

    fn presign(&mut self, target: Target<'_>, expires_s: u32) {
        let Self { method, path, query, headers, body } = self;
        let outgoing = Outgoing { method, path, query, headers, body };
        self.query = presign(&outgoing, target, &credentials(None), NOW, expires_s);
    }

    fn verify(&self, rules: Rules, now: Timestamp) -> Result<BodyRule, AuthError> {
        let Self { method, path, query, headers, body } = self;
        let parts = Parts { method, path, query, headers };
        let found = Authorization::parse(&parts)?;
        let Scope { date, region, service, .. } = &found.scope;
        let key = SigningKey::derive(&Secret::new(SECRET), date, region, service);
        found.verify(&parts, rules, &key, now, Body::Whole(body))
    }
}

fn credentials(token: Option<&str>) -> Credentials {
    Credentials {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret: Secret::new(SECRET),
        session_token: token.map(Secret::new),
    }
}

fn target(service: &str) -> Target<'_> {
    Target { region: "eu-west-1", service, rules: rules(service) }
}

fn rules(service: &str) -> Rules {
    if service == "s3" { Rules::S3 } else { Rules::STANDARD }
}

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../testdata/sigv4.json")).expect("the vectors are JSON")
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_default()
}

fn pairs(value: &Value) -> Vec<(&str, &str)> {
    let object = value.as_object().expect("an object");
    object.iter().map(|(name, value)| (name.as_str(), value.as_str().expect("text"))).collect()
}

#[test]
fn botocores_signatures_are_ours() {
    let vectors = vectors();
    for case in vectors["cases"].as_array().expect("cases") {
        let (name, service) = (text(case, "name"), text(case, "service"));
        let mut owned = Owned::new(
            text(case, "method"),
            text(case, "path"),
            text(case, "query"),
            &pairs(&case["headers"]),
            text(case, "body").as_bytes(),
        );
        let credentials = credentials(case["session_token"].as_str());
        let Owned { method, path, query, headers, body } = &mut owned;
        let mut outgoing = Outgoing { method, path, query, headers, body };
        if let Some(expires_s) = case["expires_s"].as_u64() {
            let expires_s = u32::try_from(expires_s).expect("fits");
            let query = presign(&outgoing, target(service), &credentials, NOW, expires_s);
            assert_eq!(query, text(case, "signed_query"), "{name}");
            owned.query = query;
        } else {
            sign(&mut outgoing, target(service), &credentials, NOW);
            let authorization = owned.headers["authorization"].to_str().expect("ASCII");
            assert_eq!(authorization, text(&case["signed_headers"], "authorization"), "{name}");
        }
        let settled = owned.verify(rules(service), NOW);
        assert!(matches!(settled, Ok(BodyRule::Settled)), "{name}: {settled:?}");
        let parts =
            Parts { method: &owned.method, path: &owned.path, query: &owned.query, headers: &owned.headers };
        let found = Authorization::parse(&parts).expect("parsed before");
        assert_eq!(found.session_token(), case["session_token"].as_str(), "{name}");
    }
}

fn refused(owned: &Owned, rules: Rules, now: Timestamp) -> String {
    match owned.verify(rules, now) {
        Err(AuthError::InvalidSignature(message) | AuthError::IncompleteSignature(message)) => message,
        other => panic!("should be refused: {other:?}"),
    }
}

fn at(text: &str) -> Timestamp {
    parse_basic(text).expect("a time")
}

#[test]
fn a_signature_counts_for_five_minutes_around_its_time() {
    let mut owned = Owned::new("GET", "/x", "", &[], b"");
    owned.sign(target("lambda"));
    for good in ["20261123T145500Z", "20261123T150500Z"] {
        assert!(owned.verify(Rules::STANDARD, at(good)).is_ok(), "{good}");
    }
    assert_eq!(
        refused(&owned, Rules::STANDARD, at("20261123T150501Z")),
        "Signature expired: 20261123T150000Z is now earlier than 20261123T150001Z (20261123T150501Z - 5 min.)"
    );
    assert_eq!(
        refused(&owned, Rules::STANDARD, at("20261123T145459Z")),
        "Signature not yet current: 20261123T150000Z is still later than 20261123T145959Z (20261123T145459Z + 5 \
         min.)"
    );
}

#[test]
fn a_presigned_request_counts_until_it_expires() {
    let mut owned = Owned::new("GET", "/x", "a=b", &[], b"");
    owned.presign(target("lambda"), 600);
    assert!(owned.verify(Rules::STANDARD, at("20261123T151000Z")).is_ok());
    let message = refused(&owned, Rules::STANDARD, at("20261123T151001Z"));
    assert!(message.starts_with("Signature expired: 20261123T150000Z is now earlier than"), "{message}");
    let message = refused(&owned, Rules::STANDARD, at("20261123T145459Z"));
    assert!(message.starts_with("Signature not yet current"), "{message}");
    owned.query = owned.query.replace("X-Amz-Expires=600", "X-Amz-Expires=604801");
    assert!(refused(&owned, Rules::STANDARD, NOW).contains("X-Amz-Expires"));
}

#[test]
fn what_matters_must_be_covered() {
    let mut owned = Owned::new("GET", "/x", "", &[], b"");
    owned.sign(target("lambda"));
    owned.headers.insert("x-amz-log-type", HeaderValue::from_static("Tail"));
    let message = "'x-amz-log-type' must be a 'SignedHeader' in the AWS Authorization.";
    assert_eq!(refused(&owned, Rules::STANDARD, NOW), message);

    let unsigned_host =
        "AWS4-HMAC-SHA256 Credential=A/20261123/r/s/aws4_request, SignedHeaders=x-amz-date, Signature=";
    let value = HeaderValue::from_str(&format!("{unsigned_host}{}", "0".repeat(64))).expect("a value");
    owned.headers.remove("x-amz-log-type");
    owned.headers.insert("authorization", value);
    let message = "'Host' must be a 'SignedHeader' in the AWS Authorization.";
    assert_eq!(refused(&owned, Rules::STANDARD, NOW), message);

    let mut owned = Owned::new("PUT", "/x", "", &[("x-amz-content-sha256", "UNSIGNED-PAYLOAD")], b"body");
    owned.sign(target("lambda"));
    assert!(refused(&owned, Rules::STANDARD, NOW).starts_with("UNSIGNED-PAYLOAD is not accepted"));
}

#[test]
fn the_scope_names_the_day_of_the_signature() {
    let mut owned = Owned::new("GET", "/x", "", &[], b"");
    owned.sign(target("lambda"));
    owned.headers.insert("x-amz-date", HeaderValue::from_static("20261124T000001Z"));
    let message = refused(&owned, Rules::STANDARD, at("20261124T000001Z"));
    let begin = "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '20261123' \
                 != '20261124'";
    assert!(message.starts_with(begin), "{message}");
}

#[test]
fn a_body_that_comes_later_must_be_declared() {
    let verify = |owned: &Owned| {
        let Owned { method, path, query, headers, .. } = owned;
        let parts = Parts { method, path, query, headers };
        let found = Authorization::parse(&parts)?;
        let key = SigningKey::derive(&Secret::new(SECRET), "20261123", "eu-west-1", &found.scope.service);
        found.verify(&parts, Rules::S3, &key, NOW, Body::Later)
    };
    let mut declared = Owned::new("PUT", "/bucket/key", "", &[], b"body");
    declared.sign(target("s3"));
    assert!(matches!(verify(&declared), Ok(BodyRule::Sha256(hash)) if hash == key::sha256(b"body")));
    let mut implied = Owned::new("PUT", "/bucket/key", "", &[], b"body");
    implied.sign(target("lambda"));
    assert!(matches!(verify(&implied), Err(AuthError::IncompleteSignature(_))));
    declared.body = b"other".to_vec();
    assert_eq!(declared.verify(Rules::S3, NOW).err(), Some(AuthError::ContentSha256Mismatch));
}

#[test]
fn broken_headers_are_told_apart() {
    let parse = |authorization: Option<&str>, query: &str| {
        let mut owned = Owned::new("GET", "/x", query, &[("x-amz-date", "20261123T150000Z")], b"");
        if let Some(text) = authorization {
            owned.headers.insert("authorization", HeaderValue::from_str(text).expect("a value"));
        }
        owned.verify(Rules::STANDARD, NOW).expect_err("broken").to_string()
    };
    let check = |authorization: &str, message: &str| assert_eq!(parse(Some(authorization), ""), message);
    assert_eq!(parse(None, ""), "Missing Authentication Token");
    check("Bearer token", "Missing Authentication Token");
    check(
        "AWS4-HMAC-SHA256 Credential=x",
        "Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter.",
    );
    check(
        "AWS4-HMAC-SHA256 nonsense",
        "Invalid key=value pair (missing equal-sign) in Authorization header.",
    );
    assert!(parse(Some("AWS4-ECDSA-P256-SHA256 x=y"), "").starts_with("Unsupported AWS 'algorithm'"));
    assert!(parse(Some("AWS4-HMAC-SHA256 x=y"), "X-Amz-Signature=0").starts_with("Only one authentication"));
    assert!(parse(None, "X-Amz-Algorithm=AWS4-HMAC-SHA256").contains("must include 'X-Amz-Date'"));
    let sign = "Signature=0, SignedHeaders=host";
    check(
        &format!("AWS4-HMAC-SHA256 Credential=a/b/c, {sign}"),
        "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/aws4_request.",
    );
}

#[test]
fn secrets_cannot_be_printed() {
    let secret = Secret::new("hush");
    let key = SigningKey::derive(&secret, "20261123", "r", "s");
    let mut request = Owned::new("GET", "/x", "", &[("x-amz-security-token", "hush")], b"");
    request.sign(target("lambda"));
    let parts = Parts { method: "GET", path: "/x", query: "", headers: &request.headers };
    let found = Authorization::parse(&parts).expect("parses");
    let printed = format!("{secret:?} {key:?} {found:?} {:?}", credentials(Some("hush")));
    assert!(!printed.contains("hush") && !printed.contains(SECRET), "{printed}");
}

/// The two examples of chunked uploads in the Amazon S3 API Reference, "Transferring payload in multiple chunks".
fn chunked_example(trailer: bool) -> (Owned, Vec<u8>) {
    const KIND: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
    let signed = "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;\
                  x-amz-decoded-content-length;x-amz-storage-class";
    let (kind, signed, seed, chunks) = if trailer {
        let signatures = [
            "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
            "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
            "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
        ];
        let signed = format!("{};x-amz-trailer", signed.replace("content-length;host", "host"));
        let seed = "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e";
        (format!("{KIND}-TRAILER"), signed, seed, signatures)
    } else {
        let signatures = [
            "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
            "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
            "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
        ];
        let seed = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
        (KIND.to_owned(), signed.to_owned(), seed, signatures)
    };
    let mut body = Vec::new();
    for (size, signature) in [65536, 1024, 0].into_iter().zip(chunks) {
        body.extend_from_slice(format!("{size:x};chunk-signature={signature}\r\n").as_bytes());
        body.extend_from_slice(&vec![b'a'; size]);
        if size > 0 {
            body.extend_from_slice(b"\r\n");
        }
    }
    if trailer {
        body.extend_from_slice(
            b"x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:\
              d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n",
        );
    }
    body.extend_from_slice(b"\r\n");
    let mut extra = vec![
        ("x-amz-date", "20130524T000000Z"),
        ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ("content-encoding", "aws-chunked"),
        ("x-amz-decoded-content-length", "66560"),
        ("content-length", "66824"),
    ];
    if trailer {
        extra.push(("x-amz-trailer", "x-amz-checksum-crc32c"));
    }
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
         SignedHeaders={signed}, Signature={seed}"
    );
    extra.extend([("x-amz-content-sha256", kind.as_str()), ("authorization", authorization.as_str())]);
    let mut owned = Owned::new("PUT", "/examplebucket/chunkObject.txt", "", &extra, b"");
    owned.headers.insert("host", HeaderValue::from_static("s3.amazonaws.com"));
    (owned, body)
}

fn decode(owned: &Owned, body: &[u8], step: usize) -> Result<(Vec<u8>, Trailers), ChunkError> {
    let Owned { method, path, query, headers, .. } = owned;
    let parts = Parts { method, path, query, headers };
    let found = Authorization::parse(&parts).expect("parses");
    let secret = Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
    let key = SigningKey::derive(&secret, "20130524", "us-east-1", "s3");
    let rule = found.verify(&parts, Rules::S3, &key, at("20130524T000000Z"), Body::Later);
    let Ok(BodyRule::Chunked(mut decoder)) = rule else { panic!("the seed is good: {rule:?}") };
    let mut decoded = Vec::new();
    for part in body.chunks(step) {
        decoder.push(part, |data| decoded.extend_from_slice(data))?;
    }
    decoder.finish().map(|trailers| (decoded, trailers))
}

#[test]
fn the_published_chunked_uploads_decode() {
    for step in [1, 7, 4096, 1 << 20] {
        let (request, body) = chunked_example(false);
        assert_eq!(decode(&request, &body, step), Ok((vec![b'a'; 66560], vec![])));
        let (request, body) = chunked_example(true);
        let trailers = vec![("x-amz-checksum-crc32c".to_owned(), "sOO8/Q==".to_owned())];
        assert_eq!(decode(&request, &body, step), Ok((vec![b'a'; 66560], trailers)));
    }
}

#[test]
fn a_damaged_chunk_is_refused() {
    let (request, body) = chunked_example(true);
    let damaged = |place: usize| {
        let mut body = body.clone();
        body[place] ^= 1;
        decode(&request, &body, 4096)
    };
    let checksum = body.len() - 100;
    assert_eq!(damaged(100), Err(ChunkError::SignatureMismatch), "data");
    assert_eq!(damaged(30), Err(ChunkError::SignatureMismatch), "a chunk's signature");
    assert!(damaged(checksum).is_err(), "the trailer");
    assert_eq!(decode(&request, &body[..body.len() - 2], 4096), Err(ChunkError::Incomplete));
    let twice = [body.as_slice(), b"x"].concat();
    assert!(matches!(decode(&request, &twice, 4096), Err(ChunkError::Malformed(_))));
    let unsigned = String::from_utf8(body.clone()).expect("text").replace("chunk-signature", "chunk-sig");
    assert_eq!(
        decode(&request, unsigned.as_bytes(), 4096),
        Err(ChunkError::Malformed("a chunk has no signature"))
    );
}

#[test]
fn unsigned_chunks_are_only_framed() {
    let mut owned = Owned::new("PUT", "/b/k", "", &[("x-amz-decoded-content-length", "5")], b"");
    owned
        .headers
        .insert("x-amz-content-sha256", HeaderValue::from_static("STREAMING-UNSIGNED-PAYLOAD-TRAILER"));
    let decoder = |length| ChunkDecoder::unsigned().of_length(length);
    let run = |length, body: &[u8]| {
        let mut decoder = decoder(length);
        let mut decoded = Vec::new();
        decoder.push(body, |data| decoded.extend_from_slice(data))?;
        decoder.finish().map(|trailers| (decoded, trailers))
    };
    let trailers = vec![("x-amz-checksum-crc32".to_owned(), "AAAA".to_owned())];
    let body = b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAA\r\n\r\n";
    assert_eq!(run(5, body), Ok((b"hello".to_vec(), trailers)));
    assert_eq!(run(4, body), Err(ChunkError::LengthMismatch));
    assert_eq!(run(6, body), Err(ChunkError::LengthMismatch));
    for broken in
        [&b"5\nhello\r\n0\r\n\r\n"[..], b"5\r\nhello!\r\n", b"+5\r\n", b"\r\n", b"11111111111111111\r\n"]
    {
        assert!(run(5, broken).is_err(), "{}", String::from_utf8_lossy(broken));
    }
    assert_eq!(run(5, &[b'1'; 1000]), Err(ChunkError::Malformed("a line is too long")));
}

/// A signed request after one change each; every change touches something that is signed.
fn changed(signed: &Owned) -> Vec<(&'static str, Owned)> {
    let change = |what, apply: &dyn Fn(&mut Owned)| {
        let mut other = signed.clone();
        apply(&mut other);
        (what, other)
    };
    let scope = |from: &'static str, to: &'static str| {
        change(from, &|other| {
            let text = other.headers["authorization"].to_str().expect("ASCII").replace(from, to);
            other.headers.insert("authorization", HeaderValue::from_str(&text).expect("a value"));
        })
    };
    vec![
        change("method", &|other| other.method.push('X')),
        change("path", &|other| other.path.push('z')),
        change("query", &|other| other.query.push_str("&zz=1")),
        change("body", &|other| other.body.push(0)),
        change("header", &|other| drop(other.headers.insert("x-amz-meta", HeaderValue::from_static("new")))),
        change("value", &|other| {
            other.headers.append("x-amz-meta", HeaderValue::from_static("new"));
        }),
        change("hidden", &|other| other.query.push_str("&X-Amz-Signatur%65=1")),
        change("host", &|other| drop(other.headers.insert("host", HeaderValue::from_static("evil")))),
        scope("/eu-west-1/", "/eu-west-2/"),
        scope("host;", ""),
        scope("/lambda/", "/sqs/"),
        scope("/s3/", "/sqs/"),
    ]
}

/// `query` with the letter or digit at `place` (counted among those) turned into another one.
fn with_letter_changed(query: &str, place: proptest::sample::Index) -> String {
    let letters: Vec<usize> =
        query.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_alphanumeric()).map(|(i, _)| i).collect();
    let mut bytes = query.as_bytes().to_vec();
    let byte = &mut bytes[letters[place.index(letters.len())]];
    *byte = match *byte {
        b'0'..=b'8' => *byte + 1,
        b'b' | b'B' => b'd',
        _ => b'b',
    };
    String::from_utf8(bytes).expect("ASCII")
}

const ANY_AUTHORIZATION: &str = "[ -~]{0,80}|AWS4-HMAC-SHA256 \
     (Credential=[ -~]{0,30},|Signature=[0-9a-f]{64},|SignedHeaders=[a-z;-]{0,20},){0,5}";
const ANY_QUERY: &str = "[ -~]{0,60}|\
     (X-Amz-(Algorithm|Credential|Date|Expires|SignedHeaders|Signature)=[A-Za-z0-9%/-]{0,20}&){0,8}";
const ANY_CHUNKS: &str =
    "([0-9a-f]{1,3}(;chunk-signature=[0-9a-f]{64})?\r\n[a-z]{0,9}(\r\n)?){0,4}[ -~\r\n]{0,20}";

proptest! {
    #[test]
    fn what_we_sign_we_accept_and_no_change_passes(
        method in "GET|POST|PUT",
        path in "(/[ -~&&[^?#]]{0,12}){1,4}",
        query in "([a-zA-Z0-9%+.~-]{1,5}=[a-zA-Z0-9%+/=.~-]{0,5}(&[a-y]{1,3}=[a-z]{0,3}){0,3})?",
        value in "[!-~ ]{4,20}",
        body in proptest::collection::vec(any::<u8>(), 0..64),
        service in "s3|lambda",
    ) {
        let mut owned = Owned::new(&method, &path, &query, &[("x-amz-meta", &value)], &body);
        owned.sign(target(&service));
        prop_assert!(owned.verify(rules(&service), NOW).is_ok());
        for (what, other) in changed(&owned) {
            let same = other.headers == owned.headers && (what.contains('/') || what.contains(';'));
            prop_assert!(same || other.verify(rules(&service), NOW).is_err(), "{} changed", what);
        }
    }

    #[test]
    fn presigned_queries_cannot_be_changed(
        path in "(/[a-z0-9 %]{0,8}){1,3}",
        query in "([a-z]{1,3}=[a-z ]{0,3})?",
        place in any::<proptest::sample::Index>(),
    ) {
        let mut owned = Owned::new("GET", &path, &query, &[], b"");
        owned.presign(target("lambda"), 60);
        prop_assert!(owned.verify(Rules::STANDARD, NOW).is_ok());
        let query = with_letter_changed(&owned.query, place);
        let unchanged = query.eq_ignore_ascii_case(&owned.query);
        owned.query = query;
        prop_assert!(unchanged || owned.verify(Rules::STANDARD, NOW).is_err(), "{}", owned.query);
    }

    #[test]
    fn no_bytes_panic(
        authorization in proptest::option::of(ANY_AUTHORIZATION),
        date in "[ -~]{0,20}|[0-9]{8}T[0-9]{6}Z",
        query in ANY_QUERY,
        sha in proptest::option::of("[!-~]{0,70}"),
        path in "[ -~]{0,20}",
    ) {
        let mut owned = Owned::new("GET", &path, &query, &[("x-amz-date", &date)], b"x");
        for (name, text) in [("authorization", authorization), ("x-amz-content-sha256", sha)] {
            text.map(|text| owned.headers.insert(name, HeaderValue::from_str(&text).expect("visible")));
        }
        prop_assert!(owned.verify(Rules::S3, NOW).is_err());
    }

    #[test]
    fn no_chunked_body_panics(body in ANY_CHUNKS, length in 0u64..100) {
        let mut decoder = ChunkDecoder::unsigned().of_length(length);
        let mut seen = 0;
        let pushed = decoder.push(body.as_bytes(), |data| seen += data.len() as u64);
        prop_assert!(seen <= length);
        prop_assert!(pushed.is_ok() || decoder.finish().is_err());
    }
}
