//! What patterns want, as the User Guide's examples say, and that no text is more than refused.
//!
//! Pure, without any store. Texts that are made up come from a fixed sequence of numbers, so that a failure comes again.

use super::Filter;

fn wants(pattern: &str, message: &str) -> bool {
    Filter::parse(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}")).matches(message)
}

#[test]
fn messages_are_wanted_as_patterns_say() {
    let json = r#"{"type":"GET","code":404,"ip":"10.1.2.3","ok":true,"none":null,"tags":["a","b"],"user":{"id":7,"x.y":"z"}}"#;
    let line = r#"127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534"#;
    let table = [
        ("", "anything", true),
        ("ERROR", "[ERROR] x", true),
        ("ERROR", "error", false),
        ("ERROR db", "db: ERROR", true),
        ("ERROR db", "ERROR", false),
        ("?ERROR ?WARN", "WARN", true),
        ("?ERROR ?WARN", "INFO", false),
        ("ERROR -Exiting", "ERROR", true),
        ("ERROR -Exiting", "ERROR Exiting", false),
        ("\"INTERNAL SERVER\"", "500 INTERNAL SERVER ERROR", true),
        ("\"a \\\"b\"", "a \"b", true),
        ("-\"x:y\"", "x:y", false),
        (r#"{ $.type = "GET" }"#, json, true),
        (r#"{ $.type = GET && $.code >= 400 }"#, json, true),
        (r#"{ ($.code = 500 || $.code = 404) && $.type != "P*" }"#, json, true),
        (r"{ $.ip = 10.* }", json, true),
        (r"{ $.ok IS TRUE }", json, true),
        (r"{ $.none IS NULL }", json, true),
        (r"{ $.missing IS NULL }", json, false),
        (r"{ $.missing NOT EXISTS }", json, true),
        (r"{ $.missing != 1 }", json, false),
        (r#"{ $.tags[1] = "b" }"#, json, true),
        (r#"{ $.tags[*] = "b" }"#, json, true),
        (r#"{ $.user.id < 8 && $.user['x.y'] = "z" }"#, json, true),
        (r"{ $.code = 4.04e2 }", json, true),
        (r"{ $.a = 1 }", "no JSON", false),
        ("[ip, id, user, time, request, status, bytes]", line, true),
        ("[ip, id, user, time, request, status]", line, false),
        ("[..., status = 4*, bytes > 1000]", line, true),
        ("[ip, ..., request = *.html*, status = 404 || status = 410, bytes]", line, true),
        ("[ip, id, user = \"frank\", ...]", line, true),
        ("[ip != 127.0.0.1, ...]", line, false),
        ("%ERRO?R?:%", "an ERROR: x", true),
        ("%^ERROR%", "an ERROR", false),
        ("ERROR -%time[ds]?%", "ERROR timed out", false),
        ("?%a{3}% ?WARN", "aaa", true),
        (r"%50\x25\sof%", "50% of it", true),
        ("%gray|grey%", "a grey one", true),
        (
            "%[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}%",
            "0a1b2c3d-0000-4000-8000-0123456789ab",
            true,
        ),
        (r#"{ $.type = %^GET$|^PUT$% && $.code = %^4\d\d$% }"#, json, true),
        (r"{ $.ip != %^10\.% }", json, false),
        (r"[ip = %^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$%, ..., bytes]", line, true),
        (r"[ip, id, user = %^fran[a-k]{1,2}$%, ...]", line, true),
        (r"[ip, id, user != %^[A-Z,]+$%, ...]", line, true),
        (r#"[ip, id, user != "a\", b", ...]"#, line, true),
        ("[ip, id, user != 50%, request != 20%, ...]", line, true),
    ];
    for (pattern, message, expected) in table {
        assert_eq!(wants(pattern, message), expected, "{pattern} of {message}");
    }
}

#[test]
fn what_is_no_pattern_is_refused() {
    let deep = format!("{{ {} $.a = 1 }}", "(".repeat(500));
    let long = "a".repeat(1_025);
    for pattern in [
        "a:b",
        "\"open",
        "-",
        "%x",
        "%%",
        "%[%",
        "%something!%",
        "%(a)%",
        r"%\(a%",
        "%a b%",
        "%ä%",
        "%a% %b% %c%",
        "%a{900}{900}%",
        "%a[ab]{1500}c%",
        "{",
        "{}",
        "{ $ = 1 }",
        "{ $.a }",
        "{ $.a = }",
        "{ $.a = 1 || }",
        "{ a = 1 }",
        "{ $.a IS 1 }",
        "{ $.a NOT 1 }",
        "{ $.a[x] = 1 }",
        "{ $.a = %x }",
        "{ $.a < %x% }",
        "{ $.a = %a% && $.b = %b% && $.c = %c% }",
        "{ $.a = 1 ) }",
        "[a",
        "[..., ...]",
        "[a ? b]",
        &deep,
        &long,
    ] {
        assert!(Filter::parse(pattern).is_err(), "{pattern}");
    }
}

#[test]
fn no_text_breaks_reading_or_matching() {
    const PIECES: [&str; 24] = [
        "{",
        "}",
        "[",
        "]",
        "(",
        ")",
        "$",
        ".",
        "a",
        "é",
        "\"",
        "\\",
        "*",
        "=",
        "!=",
        "<",
        "&&",
        "||",
        " ",
        ",",
        "...",
        "IS",
        "NOT EXISTS",
        "1",
    ];
    // A fixed sequence of numbers that look like chance.
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % 1_000).unwrap_or_default()
    };
    let mut understood = 0;
    for _ in 0..50_000 {
        let mut text: String = (0..1 + next() % 12).map(|_| PIECES[next() % PIECES.len()]).collect();
        match next() % 3 {
            0 => text = format!("{{{text}}}"),
            1 => text = format!("[{text}]"),
            _ => {}
        }
        if let Ok(filter) = Filter::parse(&text) {
            understood += 1;
            let _ = (filter.matches(&text), filter.matches(r#"{"a":[1,{"a":"é"}]}"#), filter.matches(""));
        }
    }
    assert!(understood > 500, "only {understood} patterns were understood");
}
