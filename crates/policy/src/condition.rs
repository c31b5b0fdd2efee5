//! Conditions of statements: operators, and when a value satisfies them.
//!
//! Values are read when the policy is, so that one that fits no operator is refused then. Pure.
//! Source: IAM User Guide, "IAM JSON policy elements: Condition operators" and "Multivalued context keys".

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::date::instant;
use super::json::Json;
use super::pattern::{ArnPattern, Pattern, Reading};
use super::statement::Effect;
use super::{Context, Malformed};

/// `{"StringLike": {"aws:username": ["a*", "b*"]}}`: one key of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Condition {
    key: String,
    quantifier: Quantifier,
    if_exists: bool,
    test: Test,
    /// Whether it names a few who may, so that everybody else may not.
    narrows: bool,
}

/// The keys by which a condition can say who may.
/// Source: Amazon S3 User Guide, "The meaning of public", which Lambda's check of public policies follows.
const WHO: [&str; 12] = [
    "aws:PrincipalAccount",
    "aws:PrincipalArn",
    "aws:PrincipalOrgID",
    "aws:PrincipalOrgPaths",
    "aws:SourceAccount",
    "aws:SourceArn",
    "aws:SourceIp",
    "aws:SourceOrgID",
    "aws:SourceOwner",
    "aws:SourceVpc",
    "aws:SourceVpce",
    "aws:userid",
];
/// Networks that are larger than this are everybody.
const NETWORK_BITS_MIN: (u32, u32) = (8, 32);

/// What a key with several values has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quantifier {
    None,
    All,
    Any,
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    /// Whether the key is missing.
    Null(bool),
    /// Whether a value is one of these, or none of them.
    Is { negated: bool, wanted: Wanted },
}

#[derive(Debug, Clone, PartialEq)]
enum Wanted {
    Text { patterns: Vec<Pattern>, ignore_case: bool },
    Arn(Vec<ArnPattern>),
    Number(Order, Vec<f64>),
    Date(Order, Vec<i64>),
    Bool(Vec<bool>),
    Binary(Vec<Vec<u8>>),
    Address(Vec<(IpAddr, u32)>),
}

/// How the request's value stands to the policy's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Order {
    fn holds<T: PartialOrd>(self, value: &T, wanted: &T) -> bool {
        match self {
            Self::Equal => value == wanted,
            Self::Less => value < wanted,
            Self::LessOrEqual => value <= wanted,
            Self::Greater => value > wanted,
            Self::GreaterOrEqual => value >= wanted,
        }
    }

    /// The order that is the rest of an operator's name, and whether it is meant the other way round.
    fn parse(name: &str) -> Option<(Self, bool)> {
        Some(match name {
            "Equals" => (Self::Equal, false),
            "NotEquals" => (Self::Equal, true),
            "LessThan" => (Self::Less, false),
            "LessThanEquals" => (Self::LessOrEqual, false),
            "GreaterThan" => (Self::Greater, false),
            "GreaterThanEquals" => (Self::GreaterOrEqual, false),
            _ => return None,
        })
    }
}

impl Condition {
    /// Reads one operator with one key.
    pub(crate) fn parse(
        operator: &str,
        key: &str,
        values: &Json,
        variables: bool,
    ) -> Result<Self, Malformed> {
        let (quantifier, name) = match operator.split_once(':') {
            Some(("ForAllValues", name)) => (Quantifier::All, name),
            Some(("ForAnyValue", name)) => (Quantifier::Any, name),
            Some(_) => return Err(Malformed::condition_type(operator)),
            None => (Quantifier::None, operator),
        };
        let (name, if_exists) = name.strip_suffix("IfExists").map_or((name, false), |name| (name, true));
        let texts = texts(values)?;
        let test = test(name, &texts, variables)?.ok_or_else(|| Malformed::condition_type(operator))?;
        if matches!(test, Test::Null(_)) && (if_exists || quantifier != Quantifier::None) {
            return Err(Malformed::condition_type(operator));
        }
        let is_asked_always = !if_exists && quantifier != Quantifier::All;
        let narrows =
            is_asked_always && test.is_narrow(&texts) && WHO.iter().any(|who| who.eq_ignore_ascii_case(key));
        Ok(Self { key: key.to_owned(), quantifier, if_exists, test, narrows })
    }

    /// Whether it lets in only some who are named: not negated, with fixed values, of a key that says who asks.
    pub(crate) fn narrows(&self) -> bool {
        self.narrows
    }

    /// Adds the key that it is about, and those of the variables in its values.
    pub(crate) fn keys<'a>(&'a self, keys: &mut Vec<&'a str>) {
        keys.push(&self.key);
        match &self.test {
            Test::Is { wanted: Wanted::Text { patterns, .. }, .. } => {
                patterns.iter().for_each(|pattern| keys.extend(pattern.variables()));
            }
            Test::Is { wanted: Wanted::Arn(patterns), .. } => {
                patterns.iter().for_each(|pattern| keys.extend(pattern.variables()));
            }
            Test::Is { .. } | Test::Null(_) => {}
        }
    }

    /// Whether it holds of a request. Of a key that is written in several ways, all have to satisfy what allows, and one
    /// is enough for what denies.
    pub(crate) fn holds(&self, context: &Context, effect: Effect) -> bool {
        let mut written = context.each(&self.key).filter(|values| !values.is_empty()).peekable();
        match (written.peek(), effect) {
            (None, _) => self.holds_of_nothing(),
            (Some(_), Effect::Allow) => written.all(|values| self.holds_of(values, context)),
            (Some(_), Effect::Deny) => written.any(|values| self.holds_of(values, context)),
        }
    }

    fn holds_of_nothing(&self) -> bool {
        match (&self.test, self.quantifier) {
            (Test::Null(is_missing), _) => *is_missing,
            (Test::Is { .. }, Quantifier::All) => true,
            (Test::Is { .. }, Quantifier::Any) => self.if_exists,
            (Test::Is { negated, .. }, Quantifier::None) => self.if_exists || *negated,
        }
    }

    fn holds_of(&self, values: &[String], context: &Context) -> bool {
        let (negated, wanted) = match &self.test {
            Test::Null(is_missing) => return !is_missing,
            Test::Is { negated, wanted } => (*negated, wanted),
        };
        let mut each = values.iter().map(|value| wanted.has(value, context) != negated);
        match (self.quantifier, negated) {
            (Quantifier::All, _) | (Quantifier::None, true) => each.all(|holds| holds),
            (Quantifier::Any, _) | (Quantifier::None, false) => each.any(|holds| holds),
        }
    }
}

impl Test {
    /// Whether only few values satisfy it.
    fn is_narrow(&self, texts: &[String]) -> bool {
        let is_fixed = |text: &str| !text.contains(['*', '?']) && !text.contains("${");
        match self {
            Self::Is { negated: false, wanted: Wanted::Text { .. } } => {
                texts.iter().all(|text| is_fixed(text))
            }
            Self::Is { negated: false, wanted: Wanted::Arn(_) } => texts.iter().all(|text| {
                let mut parts = text.splitn(6, ':');
                let account = parts.nth(4).unwrap_or_default();
                is_fixed(text) || (!account.is_empty() && is_fixed(account))
            }),
            Self::Is { negated: false, wanted: Wanted::Address(networks) } => {
                networks.iter().all(|(net, bits)| {
                    let (v4, v6) = NETWORK_BITS_MIN;
                    *bits >= if net.is_ipv4() { v4 } else { v6 }
                })
            }
            _ => false,
        }
    }
}

impl Wanted {
    fn has(&self, value: &str, context: &Context) -> bool {
        match self {
            Self::Text { patterns, ignore_case } => {
                patterns.iter().any(|pattern| pattern.matches(value, context, *ignore_case))
            }
            Self::Arn(patterns) => patterns.iter().any(|pattern| pattern.matches(value, context)),
            Self::Number(order, wanted) => {
                let value = value.trim().parse::<f64>();
                value.is_ok_and(|value| wanted.iter().any(|wanted| order.holds(&value, wanted)))
            }
            Self::Date(order, wanted) => {
                let value = instant(value);
                value.is_some_and(|value| wanted.iter().any(|wanted| order.holds(&value, wanted)))
            }
            Self::Bool(wanted) => truth(value).is_some_and(|value| wanted.contains(&value)),
            Self::Binary(wanted) => STANDARD.decode(value).is_ok_and(|value| wanted.contains(&value)),
            Self::Address(wanted) => {
                let value = value.parse::<IpAddr>();
                value.is_ok_and(|value| wanted.iter().any(|(net, bits)| is_within(value, *net, *bits)))
            }
        }
    }
}

/// The test of an operator without its quantifier and `IfExists`; nothing for a name that is no operator.
fn test(name: &str, texts: &[String], variables: bool) -> Result<Option<Test>, Malformed> {
    let patterns = |wildcards| {
        let reading = Reading { wildcards, variables };
        texts.iter().map(|text| Pattern::parse(text, reading)).collect::<Vec<_>>()
    };
    let text = |wildcards, ignore_case| Wanted::Text { patterns: patterns(wildcards), ignore_case };
    let (negated, wanted) = match name {
        "StringEquals" => (false, text(false, false)),
        "StringNotEquals" => (true, text(false, false)),
        "StringEqualsIgnoreCase" => (false, text(false, true)),
        "StringNotEqualsIgnoreCase" => (true, text(false, true)),
        "StringLike" => (false, text(true, false)),
        "StringNotLike" => (true, text(true, false)),
        "ArnEquals" | "ArnLike" | "ArnNotEquals" | "ArnNotLike" => {
            let patterns = texts.iter().map(|text| ArnPattern::parse(text, variables)).collect();
            (name.starts_with("ArnNot"), Wanted::Arn(patterns))
        }
        "Bool" => (false, Wanted::Bool(all(texts, truth)?)),
        "BinaryEquals" => (false, Wanted::Binary(all(texts, |text| STANDARD.decode(text).ok())?)),
        "IpAddress" => (false, Wanted::Address(all(texts, network)?)),
        "NotIpAddress" => (true, Wanted::Address(all(texts, network)?)),
        "Null" => match all(texts, truth)?.as_slice() {
            [is_missing] => return Ok(Some(Test::Null(*is_missing))),
            _ => return Err(Malformed::syntax()),
        },
        _ => {
            let ordered = |prefix| name.strip_prefix(prefix).and_then(Order::parse);
            if let Some((order, negated)) = ordered("Numeric") {
                let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
                (negated, Wanted::Number(order, all(texts, number)?))
            } else if let Some((order, negated)) = ordered("Date") {
                (negated, Wanted::Date(order, all(texts, instant)?))
            } else {
                return Ok(None);
            }
        }
    };
    Ok(Some(Test::Is { negated, wanted }))
}

fn all<T>(texts: &[String], read: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, Malformed> {
    texts.iter().map(|text| read(text).ok_or_else(Malformed::syntax)).collect()
}

/// One value or several, of which numbers and truth may stand there as such.
fn texts(values: &Json) -> Result<Vec<String>, Malformed> {
    let text = |value: &Json| match value {
        Json::Text(text) => Ok(text.clone()),
        Json::Bool(value) => Ok(value.to_string()),
        Json::Number(number) => Ok(number.to_string()),
        Json::Null | Json::List(_) | Json::Object(_) => Err(Malformed::syntax()),
    };
    values.items().iter().map(text).collect()
}

fn truth(text: &str) -> Option<bool> {
    match () {
        () if text.eq_ignore_ascii_case("true") => Some(true),
        () if text.eq_ignore_ascii_case("false") => Some(false),
        () => None,
    }
}

/// `203.0.113.0/24`, or an address alone.
fn network(text: &str) -> Option<(IpAddr, u32)> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits.parse().ok()?)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.unwrap_or(most);
    (bits <= most).then_some((address, bits))
}

fn is_within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (address.to_canonical(), network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            address.to_bits() & mask == network.to_bits() & mask
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            address.to_bits() & mask == network.to_bits() & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A condition in JSON, what is known, and whether it holds.
    fn check(operator: &str, values: &str, known: &[&str], expect: bool) {
        let values = Json::parse(values).expect("JSON");
        let condition = Condition::parse(operator, "k", &values, true).expect(operator);
        let mut context = Context::default();
        context.set("aws:username", "jo");
        if !known.is_empty() {
            context.set_all("K", known.iter().map(|&value| value.to_owned()).collect());
        }
        assert_eq!(condition.holds(&context, Effect::Allow), expect, "{operator} {values} of {known:?}");
    }

    #[test]
    fn texts_and_arns() {
        check("StringEquals", r#"["a","b"]"#, &["b"], true);
        check("StringEquals", r#""a*""#, &["ab"], false);
        check("StringEquals", r#""${aws:username}""#, &["jo"], true);
        check("StringEquals", r#""a""#, &["A"], false);
        check("StringEqualsIgnoreCase", r#""a""#, &["A"], true);
        check("StringNotEquals", r#""a""#, &["b"], true);
        check("StringNotEqualsIgnoreCase", r#""a""#, &["A"], false);
        check("StringLike", r#""a*""#, &["ab"], true);
        check("StringNotLike", r#""a*""#, &["ab"], false);
        check("ArnLike", r#""arn:aws:s3:::b*""#, &["arn:aws:s3:::bucket"], true);
        check("ArnEquals", r#""arn:aws:s3:::b*""#, &["arn:aws:s3:::bucket"], true);
        check("ArnNotLike", r#""arn:aws:s3:::b*""#, &["arn:aws:s3:::bucket"], false);
        check("ArnNotEquals", r#""arn:aws:s3:::b""#, &["arn:aws:s3:::bucket"], true);
    }

    #[test]
    fn numbers_dates_and_the_rest() {
        check("NumericEquals", "10", &["10.0"], true);
        check("NumericNotEquals", "10", &["11"], true);
        check("NumericLessThan", r#""10""#, &["9"], true);
        check("NumericLessThanEquals", "10", &["10"], true);
        check("NumericGreaterThan", "10", &["10"], false);
        check("NumericGreaterThanEquals", "10", &["ten"], false);
        check("DateLessThan", r#""2026-01-01T00:00:00Z""#, &["2025-12-31T23:59:59Z"], true);
        check("DateGreaterThan", r#""2026-01-01T00:00:00Z""#, &["2026-01-01T01:00:00+02:00"], false);
        check("DateEquals", r#""1767225600""#, &["2026-01-01"], true);
        check("DateNotEquals", r#""2026-01-01""#, &["2026-01-02"], true);
        check("Bool", "true", &["True"], true);
        check("Bool", r#""false""#, &["true"], false);
        check("BinaryEquals", r#""QUJD""#, &["QUJD"], true);
        check("BinaryEquals", r#""QUJD""#, &["QUJE"], false);
        check("IpAddress", r#"["203.0.113.0/24","2001:db8::/32"]"#, &["203.0.113.9"], true);
        check("IpAddress", r#"["203.0.113.0/24","2001:db8::/32"]"#, &["2001:db8::1"], true);
        check("IpAddress", r#""203.0.113.0/24""#, &["::ffff:203.0.113.9"], true);
        check("IpAddress", r#""0.0.0.0/0""#, &["9.9.9.9"], true);
        check("IpAddress", r#""203.0.113.7""#, &["203.0.113.8"], false);
        check("NotIpAddress", r#""203.0.113.0/24""#, &["203.0.113.9"], false);
        check("Null", "true", &[], true);
        check("Null", r#""true""#, &["x"], false);
        check("Null", "false", &["x"], true);
    }

    #[test]
    fn what_is_not_known() {
        check("StringEquals", r#""a""#, &[], false);
        check("StringNotEquals", r#""a""#, &[], true);
        check("NotIpAddress", r#""1.2.3.4""#, &[], true);
        check("StringEqualsIfExists", r#""a""#, &[], true);
        check("StringEqualsIfExists", r#""a""#, &["b"], false);
        check("BoolIfExists", "true", &[], true);
        check("ForAllValues:StringEquals", r#""a""#, &[], true);
        check("ForAnyValue:StringEquals", r#""a""#, &[], false);
        check("ForAnyValue:StringEqualsIfExists", r#""a""#, &[], true);
    }

    #[test]
    fn several_values() {
        check("ForAllValues:StringEquals", r#"["a","b"]"#, &["a", "b"], true);
        check("ForAllValues:StringEquals", r#"["a","b"]"#, &["a", "c"], false);
        check("ForAnyValue:StringEquals", r#"["a","b"]"#, &["c", "b"], true);
        check("ForAnyValue:StringEquals", r#"["a","b"]"#, &["c"], false);
        check("ForAllValues:StringNotEquals", r#"["a"]"#, &["b", "a"], false);
        check("ForAnyValue:StringNotEquals", r#"["a"]"#, &["b", "a"], true);
        check("StringEquals", r#""a""#, &["b", "a"], true);
        check("StringNotEquals", r#""a""#, &["b", "a"], false);
    }

    #[test]
    fn tags_that_differ_in_capitals_alone() {
        let check = |operator: &str, values: &str, allows: bool, denies: bool| {
            let values = Json::parse(values).expect("JSON");
            let condition = Condition::parse(operator, "aws:ResourceTag/ENV", &values, true).expect(operator);
            let mut context = Context::new();
            context.add_tags("aws:ResourceTag", [("Env", "prod"), ("env", "dev"), ("other", "x")]);
            let holds = [Effect::Allow, Effect::Deny].map(|effect| condition.holds(&context, effect));
            assert_eq!(holds, [allows, denies], "{operator} {values}");
        };
        check("StringEquals", r#""prod""#, false, true);
        check("StringEquals", r#""dev""#, false, true);
        check("StringEquals", r#"["dev","prod"]"#, true, true);
        check("StringEquals", r#""x""#, false, false);
        check("StringNotEquals", r#""prod""#, false, true);
        check("StringNotEquals", r#""x""#, true, true);
        check("ForAnyValue:StringEquals", r#""dev""#, false, true);
        check("ForAllValues:StringEquals", r#""dev""#, false, true);
        check("Null", "true", false, false);
        check("Null", "false", true, true);
        check("StringEquals", r#""${aws:ResourceTag/env}""#, false, false);
        check("StringNotEquals", r#""${aws:ResourceTag/env}""#, true, true);
    }

    #[test]
    fn what_is_no_condition() {
        for (operator, values) in [
            ("StringSimilar", r#""a""#),
            ("ForSomeValues:StringEquals", r#""a""#),
            ("ForAllValues:Null", "true"),
            ("NullIfExists", "true"),
            ("Null", r#"["true","false"]"#),
            ("NumericEquals", r#""ten""#),
            ("NumericEquals", r#""inf""#),
            ("DateEquals", r#""soon""#),
            ("Bool", r#""yes""#),
            ("BinaryEquals", r#""?""#),
            ("IpAddress", r#""1.2.3.4/33""#),
            ("IpAddress", r#""here""#),
            ("StringEquals", r#"{"a":1}"#),
            ("StringEquals", "null"),
        ] {
            let values = Json::parse(values).expect("JSON");
            assert!(Condition::parse(operator, "k", &values, true).is_err(), "{operator} {values}");
        }
    }
}
