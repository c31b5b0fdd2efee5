//! The language as tables: what is read, what is refused, what is decided.
//!
//! Each table is one theme. What condition operators and wildcards mean is tested beside them.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;

const ACCOUNT: &str = "123456789012";
const USER: &str = "arn:aws:iam::123456789012:user/ann";
const FUNCTION: &str = "arn:aws:lambda:us-east-1:123456789012:function:hello";

fn user() -> Actor<'static> {
    Actor::Principal { account: ACCOUNT, arn: USER, role_arn: None, id: "AIDAANN" }
}

fn session() -> Actor<'static> {
    Actor::Principal {
        account: ACCOUNT,
        arn: "arn:aws:sts::123456789012:assumed-role/worker/one",
        role_arn: Some("arn:aws:iam::123456789012:role/worker"),
        id: "AROAWORKER",
    }
}

fn document(statements: &str, kind: Kind) -> Document {
    let text = format!(r#"{{"Version":"2012-10-17","Statement":{statements}}}"#);
    Document::parse(&text, kind).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn check_refused(kind: Kind, text: &str, expect: &str) {
    let refused = Document::parse(text, kind).expect_err(text).to_string();
    assert!(refused.starts_with(expect), "{text}: {refused}");
}

fn check_refused_statement(kind: Kind, statement: &str, expect: &str) {
    check_refused(kind, &format!(r#"{{"Version":"2012-10-17","Statement":{statement}}}"#), expect);
}

#[test]
fn what_is_no_policy() {
    let check = |text: &str, expect: &str| check_refused(Kind::Identity, text, expect);
    check("", "This policy contains invalid Json");
    check("{", "This policy contains invalid Json");
    check("[]", "Syntax errors in policy.");
    check(r#"{"Version":"2012-10-17"}"#, "Syntax errors in policy.");
    check(r#"{"Version":"2012-10-17","Statement":[],"Extra":1}"#, "Syntax errors");
    check(r#"{"Version":"2013-10-17","Statement":[]}"#, "Policy document must be version 2012-10-17");
    check(&format!("{}1{}", "[".repeat(200), "]".repeat(200)), "This policy contains invalid Json");
    check(&" ".repeat(65_537), "The policy is too large.");
}

#[test]
fn what_is_no_statement() {
    let check = |text: &str, expect: &str| check_refused_statement(Kind::Identity, text, expect);
    check("1", "Syntax errors");
    check(r#"{"Effect":"Allow","Effect":"Deny","Action":"*","Resource":"*"}"#, "This policy");
    check(r#"{"Action":"*","Resource":"*"}"#, "Missing required field Effect");
    check(r#"{"Effect":"allow","Action":"*","Resource":"*"}"#, "Syntax errors");
    check(r#"{"Effect":"Allow","Resource":"*"}"#, "Policy statement must contain actions.");
    check(r#"{"Effect":"Allow","Action":[],"Resource":"*"}"#, "Policy statement must contain actions.");
    check(r#"{"Effect":"Allow","Action":"*"}"#, "Policy statement must contain resources.");
    check(r#"{"Effect":"Allow","Action":"*","NotAction":"*","Resource":"*"}"#, "Syntax errors");
    check(r#"{"Effect":"Allow","Action":"Get","Resource":"*"}"#, "Actions/Conditions must be prefaced");
    check(r#"{"Effect":"Allow","Action":"a b:c","Resource":"*"}"#, "Vendor a b is not valid");
    check(r#"{"Effect":"Allow","Action":"*","Resource":"hello"}"#, "Resource hello must be in ARN format");
    check(
        r#"{"Effect":"Allow","Action":"*","Resource":"*","Principal":"*"}"#,
        "Policy document should not specify",
    );
    check(r#"{"Sid":"a-b","Effect":"Allow","Action":"*","Resource":"*"}"#, "Statement IDs (SID) must be");
    let twice = r#"{"Sid":"a","Effect":"Allow","Action":"*","Resource":"*"}"#;
    check(&format!("[{twice},{twice}]"), "Statement IDs (SID) in a single policy must be unique.");
    for (condition, expect) in [
        ("[]", "Syntax errors"),
        (r#"{"Like":{"aws:username":"a"}}"#, "Invalid Condition type : Like."),
        (r#"{"StringLike":{"username":"a"}}"#, "Actions/Conditions must be prefaced"),
    ] {
        let text = r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":"#;
        check(&format!("{text}{condition}}}"), expect);
    }
}

#[test]
fn what_names_the_wrong_principals() {
    let check = check_refused_statement;
    let missing = "Missing required field Principal";
    check(Kind::Resource, r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#, missing);
    for principal in
        [r#"{"AWS":"ann"}"#, r#"{"AWS":"arn:aws:iam::123456789012:user/*"}"#, r#"{"Service":"s3"}"#]
    {
        let text = format!(r#"{{"Effect":"Allow","Principal":{principal},"Action":"*","Resource":"*"}}"#);
        check(Kind::Resource, &text, "Invalid principal in policy: ");
    }
    check(Kind::Repository, r#"{"Effect":"Allow","Action":"ecr:*"}"#, missing);
    for kind in [Kind::Trust, Kind::Repository] {
        let text = r#"{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Resource":"*"}"#;
        check(kind, text, "Has prohibited field Resource");
    }
    for action in [r#""*""#, r#""lambda:InvokeFunction""#, r#"["sts:AssumeRole","s3:GetObject"]"#] {
        let text = format!(r#"{{"Effect":"Allow","Principal":"*","Action":{action}}}"#);
        check(Kind::Trust, &text, "AssumeRole policy may only specify STS AssumeRole actions.");
    }
}

#[test]
fn one_document() {
    let check = |statements: &str, action: &str, resource: &str, expect: Verdict| {
        let mut context = Context::new();
        context.set("aws:username", "hello");
        let request = Request { action, resource, actor: Some(user()), context: &context };
        assert_eq!(
            document(statements, Kind::Identity).says(&request),
            expect,
            "{statements} {action} {resource}"
        );
    };
    let allowed = Verdict::Allowed(Match::Direct);
    let allow = r#"{"Effect":"Allow","Action":"lambda:Get*","Resource":"arn:aws:lambda:*:*:function:${aws:username}"}"#;
    check(allow, "lambda:GetFunction", FUNCTION, allowed);
    check(allow, "LAMBDA:getfunction", FUNCTION, allowed);
    check(allow, "lambda:InvokeFunction", FUNCTION, Verdict::Silent);
    check(allow, "lambda:GetFunction", &format!("{FUNCTION}2"), Verdict::Silent);
    let all_but = r#"{"Effect":"Allow","NotAction":["lambda:Delete*"],"NotResource":"*:secret"}"#;
    check(all_but, "lambda:GetFunction", FUNCTION, allowed);
    check(all_but, "lambda:DeleteFunction", FUNCTION, Verdict::Silent);
    check(
        all_but,
        "lambda:GetFunction",
        "arn:aws:lambda:us-east-1:123456789012:function:secret",
        Verdict::Silent,
    );
    let both = r#"[{"Effect":"Deny","Action":"lambda:*","Resource":"*"},{"Effect":"Allow","Action":"*","Resource":"*"}]"#;
    check(both, "lambda:GetFunction", FUNCTION, Verdict::Denied);
    check(both, "s3:GetObject", "arn:aws:s3:::b/k", allowed);
    let on = r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:UserName":["x","hello"]},"Null":{"aws:x":"true"}}}"#;
    check(on, "s3:GetObject", "*", allowed);
    check("[]", "s3:GetObject", "*", Verdict::Silent);
}

#[test]
fn what_a_hostile_request_does_not_reach() {
    let check = |statements: &str, action: &str, resource: &str, is_allowed: bool| {
        let mut context = Context::new();
        context.set("aws:username", "*");
        context.set("aws:PrincipalTag/team", "a:function:b");
        let request = Request { action, resource, actor: Some(user()), context: &context };
        let all = format!(r#"[{{"Effect":"Allow","Action":"*","Resource":"*"}},{statements}]"#);
        let verdict = document(&all, Kind::Identity).says(&request);
        assert_eq!(verdict != Verdict::Denied, is_allowed, "{statements} {action} {resource}");
    };
    let other = "arn:aws:lambda:us-east-1:123456789012:function:other";
    // Capitals, wildcards and names that look like them.
    check(
        r#"{"Effect":"Deny","Action":"LAMBDA:DELETE*","Resource":"*"}"#,
        "lambda:deleteFunction",
        FUNCTION,
        false,
    );
    check(
        r#"{"Effect":"Deny","Action":"lambda:[A-Z]*","Resource":"*"}"#,
        "lambda:GetFunction",
        FUNCTION,
        true,
    );
    check(
        r#"{"Effect":"Deny","Action":"lambda:Get????????","Resource":"*"}"#,
        "lambda:GetFunction",
        FUNCTION,
        false,
    );
    // A name is no pattern, and no more than its part of an ARN.
    let own = r#"{"Effect":"Deny","Action":"*","NotResource":"arn:aws:lambda:*:*:function:${aws:username}"}"#;
    check(own, "lambda:GetFunction", other, false);
    check(own, "lambda:GetFunction", "arn:aws:lambda:us-east-1:123456789012:function:*", true);
    let tagged =
        r#"{"Effect":"Deny","Action":"*","NotResource":"arn:aws:lambda:*:${aws:PrincipalTag/team}:hello"}"#;
    check(tagged, "lambda:GetFunction", "arn:aws:lambda:us-east-1:a:function:b:hello", false);
    // All but.
    let not = r#"{"Effect":"Deny","NotAction":"iam:*","Resource":"*"}"#;
    check(not, "IAM:CreateUser", "*", true);
    check(not, "lambda:GetFunction", FUNCTION, false);
    // A denial on what is not known holds unless it says otherwise.
    let unless = |operator: &str| {
        format!(
            r#"{{"Effect":"Deny","Action":"*","Resource":"*","Condition":{{"{operator}":{{"aws:SourceVpc":"vpc-1"}}}}}}"#
        )
    };
    for (operator, is_allowed) in [
        ("StringNotEquals", false),
        ("StringNotEqualsIfExists", false),
        ("StringEquals", true),
        ("StringEqualsIfExists", false),
        ("ForAllValues:StringEquals", false),
        ("ForAnyValue:StringNotEquals", true),
    ] {
        check(&unless(operator), "lambda:GetFunction", FUNCTION, is_allowed);
    }
}

#[test]
fn principals() {
    let check = |principal: &str, actor: Actor<'_>, expect: Option<Match>| {
        let text = format!(r#"{{"Effect":"Allow",{principal},"Action":"*","Resource":"*"}}"#);
        let context = Context::new();
        let request = Request { action: "a:b", resource: "*", actor: Some(actor), context: &context };
        let expect = expect.map_or(Verdict::Silent, Verdict::Allowed);
        assert_eq!(document(&text, Kind::Resource).says(&request), expect, "{principal} {actor:?}");
    };
    check(r#""Principal":"*""#, user(), Some(Match::Direct));
    check(r#""Principal":"*""#, Actor::Anonymous, Some(Match::Direct));
    check(r#""Principal":{"AWS":"*"}"#, user(), Some(Match::Direct));
    check(r#""Principal":{"AWS":"123456789012"}"#, user(), Some(Match::Account));
    check(r#""Principal":{"AWS":["arn:aws:iam::123456789012:root"]}"#, session(), Some(Match::Account));
    check(r#""Principal":{"AWS":"210987654321"}"#, user(), None);
    check(r#""Principal":{"AWS":"arn:aws:iam::123456789012:user/ann"}"#, user(), Some(Match::Direct));
    check(r#""Principal":{"AWS":"arn:aws:iam::123456789012:role/worker"}"#, session(), Some(Match::Role));
    check(
        r#""Principal":{"AWS":"arn:aws:sts::123456789012:assumed-role/worker/one"}"#,
        session(),
        Some(Match::Direct),
    );
    check(r#""Principal":{"AWS":"arn:aws:sts::123456789012:assumed-role/worker/two"}"#, session(), None);
    check(
        r#""Principal":{"Service":["s3.amazonaws.com"]}"#,
        Actor::Service(&["s3.amazonaws.com"]),
        Some(Match::Direct),
    );
    check(r#""Principal":{"Service":"s3.amazonaws.com"}"#, Actor::Service(&["sns.amazonaws.com"]), None);
    check(r#""Principal":{"Service":"s3.amazonaws.com"}"#, user(), None);
    check(
        r#""Principal":{"Federated":"accounts.google.com"}"#,
        Actor::Federated("accounts.google.com"),
        Some(Match::Direct),
    );
    check(r#""Principal":{"CanonicalUser":"79a5"}"#, user(), None);
    check(r#""Principal":{"AWS":"AIDAANN"}"#, user(), Some(Match::Direct));
    check(r#""Principal":{"AWS":"AIDAANN"}"#, session(), None);
    check(r#""Principal":{"AWS":"AROAWORKER"}"#, session(), Some(Match::Role));
    // Called after a session of another account, without coming from there.
    let pretended = Actor::Principal {
        account: "210987654321",
        arn: "arn:aws:sts::123456789012:assumed-role/worker/one",
        role_arn: None,
        id: "AROAOTHER",
    };
    check(r#""Principal":{"AWS":"arn:aws:sts::123456789012:assumed-role/worker/one"}"#, pretended, None);
    check(r#""NotPrincipal":{"AWS":"123456789012"}"#, user(), None);
    check(r#""NotPrincipal":{"AWS":"210987654321"}"#, user(), Some(Match::Direct));
}

/// What the identity, its boundary, its session and the resource say: `+` allow, `-` deny, `.` nothing, ` ` none.
fn decided(held: &str, resource: &str, is_own_account: bool) -> Decision {
    let one = |sign: char| {
        let effect = match sign {
            '+' => r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#,
            '-' => r#"{"Effect":"Deny","Action":"*","Resource":"*"}"#,
            _ => "[]",
        };
        (sign != ' ').then(|| Arc::new(document(effect, Kind::Identity)))
    };
    let signs: Vec<char> = held.chars().collect();
    let held = Held {
        identity: one(signs[0]).into_iter().collect(),
        boundary: one(signs[1]),
        session: one(signs[2]).map(|document| vec![document]),
    };
    let policy = match resource {
        "" => None,
        "deny" => Some(r#"{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}"#.to_owned()),
        principal => Some(format!(
            r#"{{"Effect":"Allow","Principal":{{"AWS":"{principal}"}},"Action":"*","Resource":"*"}}"#
        )),
    };
    let policy = policy.map(|statement| document(&statement, Kind::Resource));
    let context = Context::new();
    let request = Request { action: "a:b", resource: "*", actor: Some(session()), context: &context };
    decide(&request, &held, policy.as_ref(), is_own_account)
}

#[test]
fn all_policies_together() {
    use Decision::{Allowed, ExplicitDeny, ImplicitDeny};
    let (session, role) =
        ("arn:aws:sts::123456789012:assumed-role/worker/one", "arn:aws:iam::123456789012:role/worker");
    for (held, resource, is_own_account, expect) in [
        ("+  ", "", true, Allowed),
        (".  ", "", true, ImplicitDeny(Source::Identity)),
        ("   ", "", true, ImplicitDeny(Source::Identity)),
        ("-  ", session, true, ExplicitDeny(Source::Identity)),
        ("+  ", "deny", true, ExplicitDeny(Source::Resource)),
        ("++ ", "", true, Allowed),
        ("+. ", "", true, ImplicitDeny(Source::Boundary)),
        ("+- ", "", true, ExplicitDeny(Source::Boundary)),
        ("+++", "", true, Allowed),
        ("++.", "", true, ImplicitDeny(Source::Session)),
        ("+ -", "", true, ExplicitDeny(Source::Session)),
        (".++", "", true, ImplicitDeny(Source::Identity)),
        ("...", session, true, Allowed),
        ("...", "*", true, Allowed),
        (".  ", role, true, Allowed),
        ("+. ", role, true, ImplicitDeny(Source::Boundary)),
        (".++", role, true, Allowed),
        (".  ", ACCOUNT, true, ImplicitDeny(Source::Identity)),
        ("+  ", "", false, ImplicitDeny(Source::Resource)),
        ("+  ", "210987654321", false, ImplicitDeny(Source::Resource)),
        (".  ", ACCOUNT, false, ImplicitDeny(Source::Identity)),
        ("+  ", ACCOUNT, false, Allowed),
        ("+  ", session, false, Allowed),
        ("+. ", session, false, ImplicitDeny(Source::Boundary)),
        ("+  ", "deny", false, ExplicitDeny(Source::Resource)),
    ] {
        assert_eq!(decided(held, resource, is_own_account), expect, "{held:?} {resource:?} {is_own_account}");
    }
}

#[test]
fn denials_are_told_as_aws_tells_them() {
    let check = |decision: Decision, expect: &str| {
        let told = decision.denial(USER, "lambda:GetFunction", FUNCTION);
        let expect = format!(
            "User: {USER} is not authorized to perform: lambda:GetFunction on resource: {FUNCTION} {expect}"
        );
        assert_eq!(told.as_deref(), Some(expect.as_str()));
    };
    check(Decision::ExplicitDeny(Source::Identity), "with an explicit deny in an identity-based policy");
    check(Decision::ExplicitDeny(Source::Resource), "with an explicit deny in a resource-based policy");
    check(
        Decision::ImplicitDeny(Source::Boundary),
        "because no permissions boundary allows the lambda:GetFunction action",
    );
    check(
        Decision::ImplicitDeny(Source::Identity),
        "because no identity-based policy allows the lambda:GetFunction action",
    );
    assert_eq!(Decision::Allowed.denial(USER, "lambda:GetFunction", FUNCTION), None);
}

#[test]
fn json_comes_back_as_it_was() {
    for text in [r#"{"b":1,"a":[true,null,"\"x\"",-2.5],"c":{}}"#, "[]", r#""é\n""#] {
        assert_eq!(json::Json::parse(text).expect("JSON").to_string(), text);
    }
}

/// Statements of which none denies what others allow, and some that do.
fn statement() -> impl Strategy<Value = (bool, &'static str)> {
    (any::<bool>(), prop_oneof![Just("a:*"), Just("a:b"), Just("c:d"), Just("*")])
}

proptest! {
    /// More statements never take a denial back, and without one that allows nothing is allowed.
    #[test]
    fn a_denial_stays(statements in prop::collection::vec(statement(), 0..6), more in statement()) {
        let verdict = |statements: &[(bool, &str)]| {
            let texts: Vec<String> = statements.iter().map(|(allows, action)| {
                let effect = if *allows { "Allow" } else { "Deny" };
                format!(r#"{{"Effect":"{effect}","Action":"{action}","Resource":"*"}}"#)
            }).collect();
            let context = Context::new();
            let request = Request { action: "a:b", resource: "*", actor: None, context: &context };
            document(&format!("[{}]", texts.join(",")), Kind::Identity).says(&request)
        };
        let before = verdict(&statements);
        let fits = |allowed: bool| statements.iter().any(|(allows, action)| *allows == allowed && *action != "c:d");
        let expect = if fits(false) { Verdict::Denied }
            else if fits(true) { Verdict::Allowed(Match::Direct) }
            else { Verdict::Silent };
        prop_assert_eq!(before, expect);
        let mut longer = statements.clone();
        longer.push(more);
        prop_assert!(verdict(&longer) >= before);
    }

    /// No text breaks the parser.
    #[test]
    fn every_text_is_answered(text in "[\\[\\]{}\":,*a-zA-Z$ ]{0,80}", inner in ".{0,40}") {
        for kind in [Kind::Identity, Kind::Resource, Kind::Trust, Kind::Repository] {
            let _ = Document::parse(&text, kind);
            let quoted = json::Json::text(inner.clone());
            let _ = Document::parse(&format!(
                r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":{quoted},"Resource":{quoted},"Condition":{{{quoted}:{{"a:b":{quoted}}}}}}}}}"#
            ), kind);
        }
    }
}
