//! The language by examples: what AWS documents to match and not to match, what it refuses, and what must hold of any
//! text and any event.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{Dialect, Pattern};

fn parse(text: &str) -> Pattern {
    Pattern::parse(text, Dialect::EventBridge).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// One pattern with events that it wants and events that it does not.
fn check(pattern: Value, wanted: &[Value], unwanted: &[Value]) {
    let compiled = parse(&pattern.to_string());
    for event in wanted {
        assert!(compiled.matches(event), "{pattern} wants {event}");
    }
    for event in unwanted {
        assert!(!compiled.matches(event), "{pattern} does not want {event}");
    }
}

/// The same, of one field `a`.
fn check_field(choices: Value, wanted: &[Value], unwanted: &[Value]) {
    let events = |values: &[Value]| values.iter().map(|value| json!({ "a": value })).collect::<Vec<_>>();
    check(json!({ "a": choices }), &events(wanted), &events(unwanted));
}

#[test]
fn exact_values() {
    check_field(
        json!(["x"]),
        &[json!("x"), json!(["y", "x"])],
        &[json!("X"), json!(null), json!({"x": "x"})],
    );
    check_field(json!([300]), &[json!(300), json!(300.0), json!(3.0e2)], &[json!("300"), json!(301)]);
    check_field(json!([3.018e2]), &[json!(301.8)], &[json!(301)]);
    check_field(
        json!([123_456_789_012_345_678_u64]),
        &[json!(123_456_789_012_345_678_u64)],
        &[json!(123_456_789_012_345_679_u64)],
    );
    check_field(json!([true]), &[json!(true)], &[json!(false), json!("true"), json!(1)]);
    check_field(
        json!([null]),
        &[json!(null), json!([null])],
        &[json!(""), json!("null"), json!([]), json!(0)],
    );
    check_field(json!([""]), &[json!("")], &[json!(null), json!(" ")]);
    check_field(json!(["x", 1, null]), &[json!("x"), json!(1), json!(null)], &[json!("y")]);
}

#[test]
fn texts() {
    check_field(
        json!([{"prefix": "us-"}]),
        &[json!("us-east-1"), json!("us-")],
        &[json!("eu-us-"), json!(1)],
    );
    check_field(
        json!([{"prefix": {"equals-ignore-case": "EventB"}}]),
        &[json!("eventbridge"), json!("EVENTB")],
        &[json!("event")],
    );
    check_field(
        json!([{"suffix": ".png"}]),
        &[json!("a.png"), json!(".png")],
        &[json!("a.PNG"), json!("png")],
    );
    check_field(
        json!([{"suffix": {"equals-ignore-case": ".PNG"}}]),
        &[json!("a.png"), json!("a.Png")],
        &[json!("a.jpg")],
    );
    check_field(
        json!([{"equals-ignore-case": "alice"}]),
        &[json!("ALICE"), json!("alice")],
        &[json!("alic")],
    );
    check_field(json!([{"equals-ignore-case": "ÄRGER"}]), &[json!("ärger")], &[json!("arger")]);
}

#[test]
fn wildcards() {
    check_field(
        json!([{"wildcard": "dir/*.png"}]),
        &[json!("dir/a.png"), json!("dir/.png"), json!("dir/b/.png.png")],
        &[json!("dir/a.jpg"), json!("a/dir/a.png")],
    );
    check_field(json!([{"wildcard": "*"}]), &[json!(""), json!("x")], &[json!(1), json!(null)]);
    check_field(json!([{"wildcard": "a*b*a"}]), &[json!("aba"), json!("aXbXa")], &[json!("ab"), json!("aa")]);
    check_field(json!([{"wildcard": r"a\*b\\*"}]), &[json!(r"a*b\"), json!(r"a*b\c")], &[json!(r"axb\")]);
    check_field(json!([{"wildcard": "plain"}]), &[json!("plain")], &[json!("plainer")]);
}

#[test]
fn anything_but() {
    check_field(
        json!([{"anything-but": "x"}]),
        &[json!("y"), json!(1), json!(null), json!(["x", "y"])],
        &[json!("x"), json!(["x"]), json!([]), json!({"x": 1})],
    );
    check_field(json!([{"anything-but": ["x", "y"]}]), &[json!("z")], &[json!("x"), json!("y")]);
    check_field(
        json!([{"anything-but": [100, 200]}]),
        &[json!(300), json!("100")],
        &[json!(100.0), json!(200)],
    );
    check_field(json!([{"anything-but": {"prefix": "us-"}}]), &[json!("eu-1"), json!(1)], &[json!("us-1")]);
    check_field(
        json!([{"anything-but": {"prefix": ["us-", "eu-"]}}]),
        &[json!("ap-1")],
        &[json!("eu-1"), json!("us-1")],
    );
    check_field(
        json!([{"anything-but": {"suffix": [".png", ".jpg"]}}]),
        &[json!("a.txt")],
        &[json!("a.jpg")],
    );
    check_field(
        json!([{"anything-but": {"equals-ignore-case": ["one", "Two"]}}]),
        &[json!("three")],
        &[json!("ONE"), json!("two")],
    );
    check_field(
        json!([{"anything-but": {"wildcard": "*/lib/*"}}]),
        &[json!("/usr/bin")],
        &[json!("/usr/lib/x")],
    );
    check_field(
        json!([{"anything-but": {"wildcard": ["*/lib/*", "*/bin/*"]}}]),
        &[json!("/x")],
        &[json!("/a/bin/b")],
    );
    check(json!({"a": [{"anything-but": "x"}]}), &[], &[json!({}), json!({"b": "y"})]);
}

#[test]
fn numbers_in_ranges() {
    check_field(
        json!([{"numeric": [">", 0, "<=", 5]}]),
        &[json!(1), json!(5), json!(0.000_001)],
        &[json!(0), json!(5.1), json!("3"), json!(null)],
    );
    check_field(json!([{"numeric": ["=", 3.018e2]}]), &[json!(301.8)], &[json!(301.81)]);
    check_field(
        json!([{"numeric": ["<", -10]}]),
        &[json!(-11)],
        &[json!(-10), json!(0), json!(-6_000_000_000_i64)],
    );
    check_field(json!([{"numeric": [">=", 5e9]}]), &[json!(5_000_000_000_i64)], &[json!(5_000_000_001_i64)]);
}

#[test]
fn networks() {
    check_field(
        json!([{"cidr": "10.0.0.0/24"}]),
        &[json!("10.0.0.0"), json!("10.0.0.255")],
        &[json!("10.0.1.0"), json!("10.0.0"), json!("x"), json!("::ffff:10.0.0.1"), json!(10)],
    );
    check_field(
        json!([{"cidr": "2001:db8::/32"}]),
        &[json!("2001:db8:0:1::5")],
        &[json!("2001:db9::"), json!("10.0.0.1")],
    );
    check_field(json!([{"cidr": "0.0.0.0/0"}]), &[json!("255.1.2.3")], &[json!("::1")]);
    check_field(json!([{"cidr": "10.1.2.3/32"}]), &[json!("10.1.2.3")], &[json!("10.1.2.2")]);
}

#[test]
fn presence() {
    check_field(
        json!([{"exists": true}]),
        &[json!("x"), json!(null), json!(["x"])],
        &[json!({"b": 1}), json!([])],
    );
    check(
        json!({"a": {"b": [{"exists": false}]}}),
        &[
            json!({}),
            json!({"a": {}}),
            json!({"a": {"c": 1}}),
            json!({"a": 1}),
            json!({"a": {"b": {"c": 1}}}),
        ],
        &[json!({"a": {"b": 1}}), json!({"a": {"b": null}}), json!({"a": [{"c": 1}, {"b": 1}]})],
    );
    check(json!({"a": [{"exists": false}, "x"]}), &[json!({}), json!({"a": "x"})], &[json!({"a": "y"})]);
    check(
        json!({"source": ["s"], "detail": {"n": [{"exists": false}], "m": [1]}}),
        &[json!({"source": "s", "detail": {"m": 1}})],
        &[json!({"source": "s", "detail": {"m": 1, "n": 1}}), json!({"source": "s"})],
    );
}

#[test]
fn lists_of_objects_hold_together() {
    let pattern = json!({"employees": {"firstName": ["Anna"], "lastName": ["Smith"]}});
    check(
        pattern,
        &[
            json!({"employees": [{"firstName": "John", "lastName": "Doe"}, {"firstName": "Anna", "lastName": "Smith"}]}),
        ],
        &[
            json!({"employees": [{"firstName": "Anna", "lastName": "Jones"}, {"firstName": "Peter", "lastName": "Smith"}]}),
        ],
    );
    check(
        json!({"teams": {"name": ["x"], "members": {"n": [1], "m": [2]}}}),
        &[json!({"teams": [{"name": "y"}, {"name": "x", "members": [{"n": 0}, {"n": 1, "m": [9, 2]}]}]})],
        &[
            json!({"teams": [{"name": "x", "members": [{"n": 1}, {"m": 2}]}]}),
            json!({"teams": [{"name": "x", "members": []}, {"name": "y", "members": [{"n": 1, "m": 2}]}]}),
        ],
    );
    check(json!({"a": [1]}), &[json!({"a": [[0], [[1]]]})], &[json!({"a": [[0]]})]);
}

#[test]
fn alternatives() {
    check(
        json!({"source": ["s"], "$or": [{"a": [1]}, {"b": [2], "c": [{"exists": true}]}]}),
        &[json!({"source": "s", "a": 1}), json!({"source": "s", "b": 2, "c": 0})],
        &[json!({"source": "s"}), json!({"source": "s", "b": 2}), json!({"source": "t", "a": 1})],
    );
    check(
        json!({"detail": {"$or": [{"x": [{"numeric": [">", 0]}]}, {"$or": [{"y": ["a"]}, {"z": {"w": ["b"]}}]}]}}),
        &[json!({"detail": {"x": 1}}), json!({"detail": {"y": "a"}}), json!({"detail": {"z": {"w": "b"}}})],
        &[json!({"detail": {"x": 0}}), json!({"detail": {"z": "b"}}), json!({})],
    );
}

fn reason(text: &str, dialect: Dialect) -> String {
    match Pattern::parse(text, dialect) {
        Ok(_) => panic!("{text} is a pattern"),
        Err(error) => error.reason,
    }
}

#[test]
fn what_is_no_pattern() {
    let exponent = "Value must be between -5.0E9 and 5.0E9, inclusive";
    for (text, expected) in [
        ("", "Invalid JSON at line 1, column 0"),
        ("{", "Invalid JSON at line 1, column 1"),
        (r#"{"a":["x"]} x"#, "Invalid JSON at line 1, column 13"),
        ("[]", "Filter is not an object"),
        ("{}", "Empty objects are not allowed"),
        (r#"{"a":{}}"#, "Empty objects are not allowed"),
        (r#"{"a":[]}"#, "Empty arrays are not allowed"),
        (r#"{"slug":"x"}"#, "\"slug\" must be an object or an array"),
        (r#"{"a":[["x"]]}"#, "Match value must be String, number, true, false, or null"),
        (r#"{"a":["x"],"a":["y"]}"#, "Path `a` cannot be allowed multiple times"),
        (r#"{"d":{"a":["x"],"a":["y"]}}"#, "Path `d.a` cannot be allowed multiple times"),
        (r#"{"a":[{}]}"#, "Match expression name not found"),
        (r#"{"a":[{"prefix":"x","suffix":"y"}]}"#, "Only one key allowed in match expression"),
        (r#"{"a":[{"perhaps":"x"}]}"#, "Unrecognized match type perhaps"),
        (r#"{"a":[{"prefix":1}]}"#, "prefix match pattern must be a string"),
        (r#"{"a":[{"prefix":{"suffix":"x"}}]}"#, "Unsupported prefix pattern: suffix"),
        (r#"{"a":[{"wildcard":"a**b"}]}"#, "Consecutive wildcard characters at pos 1"),
        (r#"{"a":[{"wildcard":"a\\b"}]}"#, "Invalid escape character at pos 1"),
        (r#"{"a":[{"exists":"yes"}]}"#, "exists match pattern must be either true or false."),
        (r#"{"a":[{"numeric":5}]}"#, "Value of numeric must be an array."),
        (r#"{"a":[{"numeric":[]}]}"#, "Invalid member in numeric match"),
        (r#"{"a":[{"numeric":["=","x"]}]}"#, "Value of equals must be numeric"),
        (r#"{"a":[{"numeric":["~",1]}]}"#, "Unrecognized numeric range operator: ~"),
        (r#"{"a":[{"numeric":["<",1,">",0]}]}"#, "Too many elements in numeric expression"),
        (r#"{"a":[{"numeric":[">",1,">",2]}]}"#, "Bad numeric range operator: >"),
        (r#"{"a":[{"numeric":[">",2,"<",1]}]}"#, "Bottom must be less than top"),
        (r#"{"a":[{"numeric":[">",0,"<",5,1]}]}"#, "Too many terms in numeric range expression"),
        (r#"{"a":[{"numeric":["<",6e9]}]}"#, exponent),
        (
            r#"{"a":[{"anything-but":[]}]}"#,
            "Inside anything but list, either all values are number or string, mixed type is not supported",
        ),
        (
            r#"{"a":[{"anything-but":["x",1]}]}"#,
            "Inside anything but list, either all values are number or string, mixed type is not supported",
        ),
        (
            r#"{"a":[{"anything-but":[null]}]}"#,
            "Inside anything but list, start|null|boolean is not supported.",
        ),
        (
            r#"{"a":[{"anything-but":true}]}"#,
            "Value of anything-but must be an array or single string/number value.",
        ),
        (r#"{"a":[{"anything-but":{"prefix":""}}]}"#, "Null prefix/suffix not allowed"),
        (r#"{"a":[{"anything-but":{"numeric":["=",1]}}]}"#, "Unsupported anything-but pattern: numeric"),
        (r#"{"a":[{"cidr":"10.0.0.0"}]}"#, "Malformed CIDR, one '/' required"),
        (r#"{"a":[{"cidr":"10.0.0.0/x"}]}"#, "Malformed CIDR, mask bits must be an integer"),
        (r#"{"a":[{"cidr":"10.0.0.0/-1"}]}"#, "Malformed CIDR, mask bits must not be negative"),
        (r#"{"a":[{"cidr":"10.0.0.0/33"}]}"#, "IPv4 mask bits must be <= 32"),
        (r#"{"a":[{"cidr":"10.0.0/8"}]}"#, "Nonstandard IP address: 10.0.0"),
        (r#"{"$or":{}}"#, "It must be an Array followed with $or."),
        (r#"{"$or":[{"a":["x"]}]}"#, "There must have at least 2 Objects in $or relationship."),
        (r#"{"$or":["x","y"]}"#, "Only JSON object is allowed in array of $or relationship."),
        (
            r#"{"$or":[{"prefix":["x"]},{"a":["y"]}]}"#,
            "prefix is Ruler reserved fieldName which cannot be used inside $or.",
        ),
    ] {
        assert_eq!(reason(text, Dialect::EventBridge), expected, "{text}");
    }
}

#[test]
fn dialects_differ_in_what_they_have() {
    use Dialect::{LambdaFilter, SnsAttributes, SnsBody};
    for good in [r#"{"a":[{"prefix":"x"}]}"#, r#"{"$or":[{"a":["x"]},{"b":[{"numeric":["<",1]}]}]}"#] {
        for dialect in [LambdaFilter, SnsAttributes, SnsBody] {
            assert!(Pattern::parse(good, dialect).is_ok(), "{good} {dialect:?}");
        }
    }
    assert_eq!(reason(r#"{"a":[{"wildcard":"x"}]}"#, LambdaFilter), "Unrecognized match type wildcard");
    assert!(Pattern::parse(r#"{"a":[{"wildcard":"x*"}]}"#, SnsBody).is_ok());
    assert!(Pattern::parse(r#"{"a":{"b":["x"]}}"#, SnsBody).is_ok());
    assert_eq!(
        reason(r#"{"a":{"b":["x"]}}"#, SnsAttributes),
        "Filter policy scope MessageAttributes does not support nested filter policy"
    );
    assert_eq!(
        reason(r#"{"a":[1],"b":[1],"c":[1],"d":[1],"e":[1],"f":[1]}"#, SnsAttributes),
        "Filter policy can not have more than 5 keys"
    );
    let many = json!({"a": (0..13).collect::<Vec<_>>(), "b": (0..12).collect::<Vec<_>>()}).to_string();
    assert_eq!(reason(&many, SnsBody), "Filter policy is too complex");
    assert!(Pattern::parse(&many, Dialect::EventBridge).is_ok());
    assert_eq!(
        reason(r#"{"a":[{"numeric":["<",2e9]}]}"#, SnsBody),
        "Value must be between -1.0E9 and 1.0E9, inclusive"
    );
}

#[test]
fn bounds() {
    let group = json!((0..10).map(|n| json!({ "a": [n] })).collect::<Vec<_>>());
    let three = json!({"x": {"$or": group}, "y": {"$or": group}, "z": {"$or": group}});
    parse(&three.to_string());
    let four = json!({"x": {"$or": group}, "y": {"$or": group}, "z": {"$or": group}, "$or": [{"q": [1]}, {"r": [1]}]});
    assert_eq!(reason(&four.to_string(), Dialect::EventBridge), "Rule is too complex");
    let stars = json!({"a": [{"wildcard": "*x".repeat(101)}]}).to_string();
    assert!(
        reason(&stars, Dialect::EventBridge).starts_with("Rule is too complex - try using fewer wildcard")
    );
    let deep = format!("{}[1]{}", r#"{"a":"#.repeat(5_000), "}".repeat(5_000));
    assert!(reason(&deep, Dialect::EventBridge).starts_with("Invalid JSON"));
}

#[test]
fn what_repeats_costs_no_more_than_its_length() {
    let pattern = parse(&json!({"a": [{"wildcard": "*aaaaaaaaab".repeat(50)}]}).to_string());
    assert!(!pattern.matches(&json!({ "a": "a".repeat(250_000) })));
    let nested = (0..100).fold(json!({"x": 1}), |inner, _| json!([inner, {"y": 1}]));
    assert!(!parse(r#"{"a":{"x":[1],"y":[1]}}"#).matches(&json!({ "a": nested })));
}

/// Backtracking at every star: slow and plainly right.
fn naive(pattern: &[char], text: &[char]) -> bool {
    match (pattern, text) {
        (['*', rest @ ..], _) => (0..=text.len()).any(|at| naive(rest, &text[at..])),
        (['\\', char, rest @ ..], [first, left @ ..]) | ([char, rest @ ..], [first, left @ ..]) => {
            char == first && naive(rest, left)
        }
        ([], []) => true,
        _ => false,
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3_i64..400).prop_map(Value::from),
        (-9.0_f64..9.0).prop_map(Value::from),
        "[a-c*/.0-9:=<>\\\\]{0,4}".prop_map(Value::from),
        prop_oneof![Just(">"), Just("<="), Just("10.0.0.0/8"), Just("10.1.1.1")].prop_map(Value::from),
    ];
    let name = prop_oneof![
        "[a-c]",
        Just("$or".to_owned()),
        prop::sample::select(vec![
            "prefix",
            "suffix",
            "numeric",
            "exists",
            "cidr",
            "wildcard",
            "anything-but",
            "equals-ignore-case"
        ])
        .prop_map(str::to_owned),
    ];
    scalar.prop_recursive(5, 60, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

const DIALECTS: [Dialect; 4] =
    [Dialect::EventBridge, Dialect::LambdaFilter, Dialect::SnsBody, Dialect::SnsAttributes];

proptest! {
    #[test]
    fn wildcards_are_as_the_naive_reading_says(pattern in r"(\*?(a|b|\\\*|\\\\)){0,5}\*?", text in r"[ab*\\]{0,8}") {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        let compiled = parse(&json!({"a": [{ "wildcard": pattern }]}).to_string());
        prop_assert_eq!(compiled.matches(&json!({ "a": text })), naive(&chars(&pattern), &chars(&text)));
    }

    #[test]
    fn ranges_are_as_comparisons_say(low in -9_i32..9, width in 1_i32..9, value in -20.0_f64..20.0, whole: bool) {
        let (low, high) = (f64::from(low), f64::from(low + width));
        let value = if whole { value.round() } else { value };
        for (signs, expected) in [
            ((">", "<"), value > low && value < high),
            ((">=", "<"), value >= low && value < high),
            ((">", "<="), value > low && value <= high),
            ((">=", "<="), value >= low && value <= high),
        ] {
            let pattern = json!({"a": [{"numeric": [signs.0, low, signs.1, high]}]});
            prop_assert_eq!(parse(&pattern.to_string()).matches(&json!({ "a": value })), expected);
        }
    }

    #[test]
    fn nothing_panics(pattern in any_json(), event in any_json(), text in "\\PC{0,40}") {
        for dialect in DIALECTS {
            if let Ok(pattern) = Pattern::parse(&pattern.to_string(), dialect) {
                let _ = pattern.matches(&event);
            }
            let _ = Pattern::parse(&text, dialect);
        }
    }

    #[test]
    fn an_event_matches_the_pattern_of_its_own_values(members in prop::collection::btree_map("[a-e]", "[a-z]{0,3}", 1..5)) {
        let event = json!(members);
        let lists = members.iter().map(|(name, value)| (name.clone(), json!([value])));
        let pattern = Value::Object(lists.collect());
        for dialect in DIALECTS {
            prop_assert!(Pattern::parse(&pattern.to_string(), dialect).unwrap().matches(&event));
        }
    }
}
