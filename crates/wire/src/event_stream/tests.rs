//! The encoding against bytes that other implementations agree on, and that neither cut, flipped nor random bytes
//! do more than be refused.

use proptest::prelude::*;

use super::*;

fn decode(bytes: &[u8]) -> Result<Vec<Message>, Broken> {
    let mut decoder = Decoder::new();
    decoder.push(bytes);
    let mut messages = Vec::new();
    while let Some(message) = decoder.message()? {
        messages.push(message);
    }
    decoder.finish().map(|()| messages)
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hex");
    digits.chunks(2).map(byte).collect()
}

fn check(message: &Message, bytes: &str) {
    assert_eq!(message.encode().expect("fits"), hex(bytes));
    assert_eq!(decode(&hex(bytes)), Ok(vec![message.clone()]));
}

#[test]
fn known_messages() {
    check(&Message::default(), "00000010 00000000 05c248eb 7d98c8ff");
    let document = br#"{'foo':'bar'}"#.as_slice();
    check(&Message::new(&[], document), "0000001d 00000000 fd528c5a 7b27666f6f273a27626172277d c3653936");
    check(
        &Message::new(&[("content-type", "application/json")], document),
        "0000003d 00000020 07fd8396 0c 636f6e74656e742d74797065 07 0010 6170706c69636174696f6e2f6a736f6e \
         7b27666f6f273a27626172277d 8d9c08b1",
    );
    let number = Message {
        headers: vec![("event-type".to_owned(), HeaderValue::Integer(0xA00C))],
        payload: Bytes::from_static(document),
    };
    check(
        &number,
        "0000002d 00000010 41c424b8 0a 6576656e742d74797065 04 0000a00c 7b27666f6f273a27626172277d 36f480a0",
    );
}

#[test]
fn messages_come_when_they_are_complete() {
    let (one, two) = (Message::new(&[("a", "1")], "first"), Message::new(&[], "second"));
    let bytes = [one.encode().expect("fits"), two.encode().expect("fits")].concat();
    let mut decoder = Decoder::new();
    let mut found = Vec::new();
    for byte in &bytes {
        decoder.push(std::slice::from_ref(byte));
        found.extend(decoder.message().expect("whole"));
    }
    assert_eq!(found, [one, two]);
    assert_eq!(decoder.finish(), Ok(()));
}

#[test]
fn what_is_broken_is_named_and_stays_broken() {
    let whole = Message::new(&[("a", "1")], "payload").encode().expect("fits");
    let flipped = |place: usize| {
        let mut bytes = whole.to_vec();
        bytes[place] ^= 1;
        decode(&bytes)
    };
    assert_eq!(flipped(3), Err(Broken::PreludeChecksum));
    assert_eq!(flipped(15), Err(Broken::MessageChecksum));
    assert_eq!(flipped(whole.len() - 1), Err(Broken::MessageChecksum));
    assert_eq!(decode(&whole[..20]), Err(Broken::Truncated(20)));

    let prelude = |total: u32, headers: u32| {
        let mut bytes = [total.to_be_bytes(), headers.to_be_bytes()].concat();
        bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
        decode(&bytes)
    };
    for (total, headers) in [(15, 0), (20, 5), (u32::MAX, 0), (1 << 20, 1 << 18)] {
        let broken = Broken::Lengths { total: total as usize, headers: headers as usize };
        assert_eq!(prelude(total, headers), Err(broken));
    }

    let mut decoder = Decoder::new();
    decoder.push(&[0xFF; 12]);
    assert_eq!(decoder.message(), Err(Broken::PreludeChecksum));
    decoder.push(&whole);
    assert_eq!(decoder.message(), Err(Broken::PreludeChecksum));
    assert_eq!(decoder.finish(), Err(Broken::PreludeChecksum));
}

#[test]
fn malformed_headers_are_refused() {
    let with_headers = |headers: &[u8]| {
        let mut bytes = Vec::new();
        bytes.extend((16 + u32::try_from(headers.len()).expect("small")).to_be_bytes());
        bytes.extend(u32::try_from(headers.len()).expect("small").to_be_bytes());
        bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
        bytes.extend(headers);
        bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
        decode(&bytes)
    };
    assert!(with_headers(b"\x01a\x00").is_ok());
    for headers in [
        &b"\x00\x00"[..],
        b"\x05a",
        b"\x01a",
        b"\x01a\x0A",
        b"\x01a\x07\x00\x05abc",
        b"\x01a\x07\x00\x01\xFF",
        b"\x01\xFF\x00",
        b"\x01a\x09abc",
        b"\x01a\x05abc",
    ] {
        assert_eq!(with_headers(headers), Err(Broken::Headers), "{headers:?}");
    }
}

#[test]
fn what_no_reader_would_take_is_not_written() {
    let large = Message::new(&[], vec![0; PAYLOAD_BYTES_MAX + 1]);
    assert_eq!(large.encode(), Err(Unencodable::Payload(PAYLOAD_BYTES_MAX + 1)));
    assert!(Message::new(&[], vec![0; PAYLOAD_BYTES_MAX]).encode().is_ok());
    let long = "n".repeat(256);
    for name in ["", &long] {
        assert!(matches!(Message::new(&[(name, "v")], "").encode(), Err(Unencodable::Header(_))));
    }
    let text = "v".repeat(32_767);
    assert!(Message::new(&[("n", &text)], "").encode().is_ok());
    assert!(matches!(Message::new(&[("n", &format!("{text}v"))], "").encode(), Err(Unencodable::Header(_))));
    let many = vec![("n", text.as_str()); 5];
    assert!(matches!(Message::new(&many, "").encode(), Err(Unencodable::Headers(_))));
}

fn any_value() -> impl Strategy<Value = HeaderValue> {
    prop_oneof![
        any::<bool>().prop_map(HeaderValue::Bool),
        any::<i8>().prop_map(HeaderValue::Byte),
        any::<i16>().prop_map(HeaderValue::Short),
        any::<i32>().prop_map(HeaderValue::Integer),
        any::<i64>().prop_map(HeaderValue::Long),
        any::<Vec<u8>>().prop_map(|bytes| HeaderValue::Bytes(bytes.into())),
        ".{0,20}".prop_map(HeaderValue::Text),
        any::<i64>().prop_map(HeaderValue::Timestamp),
        any::<[u8; 16]>().prop_map(HeaderValue::Uuid),
    ]
}

fn any_message() -> impl Strategy<Value = Message> {
    let headers = proptest::collection::vec((".{1,20}", any_value()), 0..6);
    (headers, any::<Vec<u8>>()).prop_map(|(headers, payload)| Message { headers, payload: payload.into() })
}

proptest! {
    #[test]
    fn what_is_written_is_read_however_it_is_cut(
        messages in proptest::collection::vec(any_message(), 0..5),
        piece_bytes in 1..200_usize,
    ) {
        let bytes: Vec<u8> = messages.iter().flat_map(|message| message.encode().expect("fits")).collect();
        let mut decoder = Decoder::new();
        let mut found = Vec::new();
        for piece in bytes.chunks(piece_bytes) {
            decoder.push(piece);
            while let Some(message) = decoder.message().expect("whole") {
                found.push(message);
            }
        }
        prop_assert_eq!(found, messages);
        prop_assert_eq!(decoder.finish(), Ok(()));
    }

    #[test]
    fn a_damaged_message_is_never_another_one(message in any_message(), place in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let mut bytes = message.encode().expect("fits").to_vec();
        let place = place.index(bytes.len());
        bytes[place] ^= 1_u8 << bit;
        prop_assert!(decode(&bytes).is_err());
    }

    #[test]
    fn junk_is_refused_without_a_panic(junk in any::<Vec<u8>>()) {
        let _ = decode(&junk);
    }

    #[test]
    fn junk_behind_right_checksums_does_not_panic(headers in any::<Vec<u8>>(), payload in any::<Vec<u8>>()) {
        let total = u32::try_from(16 + headers.len() + payload.len()).expect("small");
        let mut bytes = total.to_be_bytes().to_vec();
        bytes.extend(u32::try_from(headers.len()).expect("small").to_be_bytes());
        bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
        bytes.extend(&headers);
        bytes.extend(&payload);
        bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
        match decode(&bytes) {
            Ok(messages) => prop_assert_eq!(&messages[0].payload[..], &payload[..]),
            Err(broken) => prop_assert_eq!(broken, Broken::Headers),
        }
    }
}
