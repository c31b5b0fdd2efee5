//! Users, groups, roles and policies: what they may do, what outlives a restart, and what is refused in which words.
//!
//! Every test is one server's, against its real store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use control::access::Asking;
use control::function::Place;
use control::iam::sts::AssumeRole;
use control::iam::{Iam, IamError, New, NewRole, PageOf};
use control::identity::{Access, Caller, Identity, KeyError, Principal, RootKey, SigningSecret};
use control::permission::Permission;
use model::arn::{FunctionId, Scope};
use model::delivery::Sender;
use model::error::ServiceError;
use model::function::Function;
use model::iam::{AccessKey, Group, Role, User};
use model::id::{AccountId, Region};
use model::name::FunctionReference;
use policy::{Admission as _, Context, Document, Kind, Need};

use crate::world::{World, scope};

const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";
const INVOKE: &str = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"lambda:InvokeFunction","Resource":"*"}}"#;
const READ_ONLY: &str = "arn:aws:iam::aws:policy/AWSLambda_ReadOnlyAccess";
const BASIC: &str = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";

pub fn home() -> AccountId {
    scope().account
}

fn named(name: &str) -> New {
    New { name: name.to_owned(), ..New::default() }
}

/// A role that a principal may take on.
fn trusting(name: &str, principal: &str) -> NewRole {
    let trust = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Principal":{principal},"Action":"sts:AssumeRole"}}}}"#
    );
    NewRole { new: named(name), trust, ..NewRole::default() }
}

pub fn identity(world: &World) -> Identity {
    let root = RootKey {
        access_key_id: "AKIAROOT".to_owned(),
        secret_access_key: SigningSecret::new("root secret".to_owned()),
        account: home(),
    };
    let (clock, entropy) = (world.clock.clone(), Arc::new(crate::world::Numbers::default()));
    let secrets = world.store.secrets();
    Identity::open(Access::Verified, root, &secrets, world.iam.clone(), clock, entropy).expect("identities")
}

pub async fn user_with_key(iam: &Iam, name: &str) -> AccessKey {
    iam.create_user(home(), named(name)).await.expect("a user");
    iam.create_access_key(home(), name).await.expect("a key")
}

pub fn find(identity: &Identity, key: &AccessKey) -> Result<Caller, KeyError> {
    let (caller, secret) = identity.find(&key.id, None)?;
    assert_eq!(secret.expose(), key.secret.expose());
    Ok(caller)
}

fn may(caller: &Caller, action: &str) -> bool {
    authorize(caller, action, FUNCTION).is_ok()
}

pub fn authorize(caller: &Caller, action: &str, resource: &str) -> Result<(), ServiceError> {
    caller.may(Asking { action, resource, owner: None, policy: None, context: Context::new() })
}

#[tokio::test]
async fn a_user_may_do_what_it_is_granted_and_nothing_once_its_key_is_off() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    let (iam, identity) = (&world.iam, identity(&world));
    let key = user_with_key(iam, "bob").await;
    let caller = || find(&identity, &key).expect("bob");
    let denied = authorize(&caller(), "lambda:InvokeFunction", FUNCTION).expect_err("nothing is granted");
    assert_eq!(
        denied.to_string(),
        "User: arn:aws:iam::000000000000:user/bob is not authorized to perform: lambda:InvokeFunction on resource: \
         arn:aws:lambda:us-east-1:000000000000:function:f because no identity-based policy allows the \
         lambda:InvokeFunction action"
    );
    iam.put_inline::<User>(home(), "bob", "invoke", INVOKE.to_owned()).await.expect("put");
    assert!(may(&caller(), "lambda:InvokeFunction") && !may(&caller(), "lambda:GetFunction"));
    iam.create_group(home(), named("readers")).await.expect("a group");
    iam.attach::<Group>(home(), "readers", READ_ONLY).await.expect("attached");
    iam.add_to_group(home(), "readers", "bob").await.expect("added");
    assert!(may(&caller(), "lambda:GetFunction"));
    iam.update_group(home(), "readers", Some("lectors".to_owned()), None).await.expect("renamed");
    assert!(may(&caller(), "lambda:GetFunction"));
    iam.set_boundary::<User>(home(), "bob", Some(READ_ONLY.to_owned())).await.expect("bounded");
    assert!(may(&caller(), "lambda:GetFunction") && !may(&caller(), "lambda:InvokeFunction"));
    iam.set_boundary::<User>(home(), "bob", None).await.expect("free");
    iam.remove_from_group(home(), "lectors", "bob").await.expect("removed");
    assert!(!may(&caller(), "lambda:GetFunction"));
    let deny = INVOKE.replace("Allow", "Deny");
    iam.put_inline::<User>(home(), "bob", "not", deny).await.expect("put");
    assert!(!may(&caller(), "lambda:InvokeFunction"));
    iam.update_access_key(home(), "bob", &key.id, false).await.expect("off");
    assert_eq!(find(&identity, &key), Err(KeyError::Invalid));
    iam.update_access_key(home(), "bob", &key.id, true).await.expect("on");
    assert!(find(&identity, &key).is_ok());
    iam.delete_access_key(home(), "bob", &key.id).await.expect("gone");
    assert_eq!(find(&identity, &key), Err(KeyError::Invalid));
}

#[tokio::test]
async fn identities_outlive_a_restart() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    let key = user_with_key(&world.iam, "Bob").await;
    world.iam.update_user(home(), "Bob", Some("rob".to_owned()), None).await.expect("renamed");
    world.iam.create_role(home(), trusting("r", r#"{"AWS":"000000000000"}"#)).await.expect("a role");
    let (user, role) = (world.iam.get::<User>(home(), "rob"), world.iam.get::<Role>(home(), "r"));
    world.store.close().await;
    let world = World::open(data.path()).await;
    assert_eq!(world.iam.get::<User>(home(), "rob"), user);
    assert_eq!(world.iam.get::<Role>(home(), "r"), role);
    let caller = find(&identity(&world), &key).expect("its key");
    assert_eq!(caller.principal.to_string(), "arn:aws:iam::000000000000:user/rob");
    assert!(world.iam.get::<User>(home(), "Bob").is_err());
}

fn sender(role: Option<&str>) -> Sender {
    Sender {
        service: "events.amazonaws.com".to_owned(),
        source: "arn:aws:events:us-east-1:000000000000:rule/hourly".to_owned(),
        scope: Scope { account: home(), region: Region::default_region() },
        role: role.map(|name| format!("arn:aws:iam::000000000000:role/{name}")),
    }
}

#[tokio::test]
async fn a_service_delivers_where_it_is_let_in_or_its_role_may() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    let (iam, identity) = (&world.iam, identity(&world));
    let queue = "arn:aws:sqs:us-east-1:000000000000:jobs";
    let may = |role: Option<&str>, policy: Option<&str>| {
        let policy = policy.map(|text| Document::parse(text, Kind::Resource).expect("a policy"));
        let need = Need { policy: policy.map(Arc::new), ..Need::of("sqs:SendMessage", queue) };
        identity.admits(&sender(role), &need)
    };
    let lets_in = |source: &str| {
        format!(
            r#"{{"Statement":{{"Effect":"Allow","Principal":{{"Service":"events.amazonaws.com"}},"Action":"sqs:SendMessage",
            "Resource":"{queue}","Condition":{{"ArnEquals":{{"aws:SourceArn":"{source}"}}}}}}}}"#
        )
    };
    assert!(may(None, Some(&lets_in("arn:aws:events:us-east-1:000000000000:rule/hourly"))));
    assert!(!may(None, Some(&lets_in("arn:aws:events:us-east-1:000000000000:rule/other"))));
    assert!(!may(None, None), "without a policy nobody is let in");
    assert!(!may(Some("absent"), None), "nor is a role that is not there");
    for (role, trusted) in [("trusting", "events.amazonaws.com"), ("wary", "lambda.amazonaws.com")] {
        iam.create_role(home(), trusting(role, &format!(r#"{{"Service":"{trusted}"}}"#)))
            .await
            .expect("a role");
    }
    assert!(!may(Some("trusting"), None), "the role may nothing yet");
    let policy = r#"{"Statement":{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"*"}}"#;
    for role in ["trusting", "wary"] {
        iam.put_inline::<Role>(home(), role, "send", policy.to_owned()).await.expect("a policy");
    }
    assert!(may(Some("trusting"), None));
    assert!(!may(Some("wary"), None), "this one does not let the service take it on");
    let denies = r#"{"Statement":{"Effect":"Deny","Principal":"*","Action":"sqs:*","Resource":"*"}}"#;
    assert!(!may(Some("trusting"), Some(denies)), "a denial always wins");
}

fn assume(role: &str) -> AssumeRole {
    AssumeRole {
        role_arn: format!("arn:aws:iam::000000000000:role/{role}"),
        session_name: "at-work".to_owned(),
        ..AssumeRole::default()
    }
}

#[tokio::test]
async fn a_role_is_taken_on_by_whom_it_trusts_for_as_long_as_it_is_there() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    let (iam, identity) = (&world.iam, identity(&world));
    let bob = user_with_key(iam, "bob").await;
    let eve = user_with_key(iam, "eve").await;
    let trusted = r#"{"AWS":"arn:aws:iam::000000000000:user/bob"}"#;
    iam.create_role(home(), trusting("r", trusted)).await.expect("a role");
    iam.attach::<Role>(home(), "r", "arn:aws:iam::aws:policy/AWSLambda_FullAccess").await.expect("attached");
    let bob = find(&identity, &bob).expect("bob");
    let refused = identity.assume_role(&find(&identity, &eve).expect("eve"), assume("r")).expect_err("eve");
    let expect = "User: arn:aws:iam::000000000000:user/eve is not authorized to perform: sts:AssumeRole on \
                  resource: arn:aws:iam::000000000000:role/r";
    assert_eq!(refused, IamError::AccessDenied(expect.to_owned()));
    assert!(identity.assume_role(&bob, assume("other")).is_err());
    let long = AssumeRole { duration_s: Some(3_601), ..assume("r") };
    assert!(matches!(identity.assume_role(&bob, long), Err(IamError::Validation(_))));
    let assumed = identity.assume_role(&bob, assume("r")).expect("trusted");
    assert_eq!(assumed.arn, "arn:aws:sts::000000000000:assumed-role/r/at-work");
    let session = |assumed: &control::identity::Assumed| {
        let made = &assumed.credentials;
        let (caller, secret) = identity.find(&made.access_key_id, Some(&made.session_token))?;
        assert_eq!(secret.expose(), made.secret_access_key);
        Ok::<_, KeyError>(caller)
    };
    let caller = session(&assumed).expect("a session");
    assert_eq!(caller.standing().facts.single("aws:userid"), Some(assumed.id.as_str()));
    assert!(may(&caller, "lambda:InvokeFunction") && may(&caller, "lambda:GetFunction"));
    let bounded = AssumeRole {
        policy: Some(INVOKE.to_owned()),
        policy_arns: vec![BASIC.to_owned()],
        tags: BTreeMap::new(),
        ..assume("r")
    };
    let bounded = session(&identity.assume_role(&bob, bounded).expect("bounded")).expect("a session");
    assert!(may(&bounded, "lambda:InvokeFunction") && !may(&bounded, "lambda:GetFunction"));
    let tagged = AssumeRole { tags: BTreeMap::from([("a".to_owned(), "b".to_owned())]), ..assume("r") };
    assert!(identity.assume_role(&bob, tagged).is_err(), "the role does not let sessions be tagged");
    world.clock.turn(Duration::from_secs(3_601));
    assert_eq!(session(&assumed), Err(KeyError::Expired));
    let assumed = identity.assume_role(&bob, assume("r")).expect("trusted");
    iam.detach::<Role>(home(), "r", "arn:aws:iam::aws:policy/AWSLambda_FullAccess").await.expect("detached");
    assert!(!may(&session(&assumed).expect("a session"), "lambda:InvokeFunction"));
    iam.delete_role(home(), "r").await.expect("deleted");
    iam.create_role(home(), trusting("r", trusted)).await.expect("another role of the name");
    assert_eq!(session(&assumed), Err(KeyError::Invalid));
}

#[tokio::test]
async fn a_function_has_its_roles_policies_and_only_a_role_that_trusts_lambda() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    let (iam, identity) = (&world.iam, identity(&world));
    let lambda = r#"{"Service":"lambda.amazonaws.com"}"#;
    let name = crate::world::create("f").settings.role.expect("a role");
    let name = name.rsplit('/').next().expect("a name");
    iam.create_role(home(), trusting(name, r#"{"AWS":"000000000000"}"#)).await.expect("a role");
    let refused = world.functions.create(&scope(), crate::world::create("f")).await.expect_err("no trust");
    assert_eq!(refused.to_string(), "The role defined for the function cannot be assumed by Lambda.");
    iam.update_trust(home(), name, trusting("", lambda).trust).await.expect("trusts");
    let function = world.create("f").await;
    let caller = || {
        let minted = model::port::Roles::credentials(&identity, &function);
        identity.find(&minted.access_key_id, Some(&minted.session_token)).expect("a session").0
    };
    let group = "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/f:x";
    assert!(authorize(&caller(), "logs:PutLogEvents", group).is_err());
    iam.put_inline::<Role>(home(), name, "invoke", INVOKE.to_owned()).await.expect("put");
    assert!(may(&caller(), "lambda:InvokeFunction"));
}

#[tokio::test]
async fn a_trust_policy_says_for_what_a_service_takes_a_role_on() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    let (iam, identity) = (&world.iam, identity(&world));
    let role = crate::world::create("f").settings.role.expect("a role");
    let name = role.rsplit('/').next().expect("a name");
    let services = r#"{"Service":["lambda.amazonaws.com","events.amazonaws.com"]}"#;
    let tags = BTreeMap::from([("team".to_owned(), "blue".to_owned())]);
    let new = NewRole { new: New { tags, ..named(name) }, ..trusting(name, services) };
    let plain = new.trust.clone();
    iam.create_role(home(), new).await.expect("a role");
    let all = r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#.to_owned();
    iam.put_inline::<Role>(home(), name, "all", all).await.expect("put");
    let function = world.create("f").await;
    let source = |arn: &str| format!(r#"{{"ArnLike":{{"aws:SourceArn":"arn:aws:{arn}"}}}}"#);
    let is = |key: &str, value: &str| format!(r#"{{"StringEquals":{{"{key}":"{value}"}}}}"#);
    for (condition, lambda, events) in [
        (source("lambda:us-east-1:000000000000:function:f"), true, false),
        (source("lambda:us-east-1:000000000000:function:g"), false, false),
        (source("events:us-east-1:000000000000:rule/hourly"), false, true),
        (source("*:*:000000000000:*"), true, true),
        (is("aws:SourceAccount", "000000000000"), true, true),
        (is("aws:SourceAccount", "210987654321"), false, false),
        (is("aws:RequestedRegion", "us-east-1"), true, true),
        (is("aws:RequestedRegion", "eu-west-1"), false, false),
        (is("aws:ResourceAccount", "000000000000"), true, true),
        (is("aws:PrincipalServiceName", "lambda.amazonaws.com"), true, false),
        (is("aws:ResourceTag/team", "blue"), true, true),
        (r#"{"Bool":{"aws:PrincipalIsAWSService":"true"}}"#.to_owned(), true, true),
        (r#"{"Bool":{"aws:ViaAWSService":"true"}}"#.to_owned(), false, false),
        (r#"{"DateLessThan":{"aws:CurrentTime":"2000-01-01T00:00:00Z"}}"#.to_owned(), true, true),
        (r#"{"DateGreaterThan":{"aws:CurrentTime":"2000-01-01T00:00:00Z"}}"#.to_owned(), false, false),
    ] {
        let trust = plain.replace(r#""Action""#, &format!(r#""Condition":{condition},"Action""#));
        iam.update_trust(home(), name, trust).await.expect("trusts");
        let checked = iam.check_execution_role(&function.id, &role).is_ok();
        let minted = model::port::Roles::credentials(&identity, &function);
        let found = identity.find(&minted.access_key_id, Some(&minted.session_token)).expect("a session");
        assert_eq!((checked, may(&found.0, "lambda:InvokeFunction")), (lambda, lambda), "{condition}");
        let need = Need::of("sqs:SendMessage", "arn:aws:sqs:us-east-1:000000000000:jobs");
        assert_eq!(identity.admits(&sender(Some(name)), &need), events, "{condition}");
    }
}

#[tokio::test]
async fn a_session_whose_policy_is_gone_may_nothing() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    let (iam, identity) = (&world.iam, identity(&world));
    let bob = user_with_key(iam, "bob").await;
    let bob = find(&identity, &bob).expect("bob");
    iam.create_role(home(), trusting("r", r#"{"AWS":"arn:aws:iam::000000000000:user/bob"}"#))
        .await
        .expect("a role");
    let policy = iam.create_policy(home(), named("p"), None, INVOKE.to_owned()).await.expect("a policy");
    let bounded = AssumeRole { policy_arns: vec![policy.arn.clone()], ..assume("r") };
    let made = identity.assume_role(&bob, bounded).expect("a session").credentials;
    let lets_in = r#"{"Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::000000000000:role/r"},"Action":"lambda:*","Resource":"*"}}"#;
    let lets_in = Document::parse(lets_in, Kind::Resource).expect("a policy");
    let may_invoke = || {
        let (policy, context) = (Some(&lets_in), Context::new());
        let asking =
            Asking { action: "lambda:InvokeFunction", resource: FUNCTION, owner: None, policy, context };
        session_of(&identity, &made).expect("a session").may(asking)
    };
    assert_eq!(may_invoke(), Ok(()));
    iam.delete_policy(home(), &policy.arn).await.expect("deleted");
    let denied = may_invoke().expect_err("whatever the policy said is not known").to_string();
    assert!(denied.ends_with("with an explicit deny in an identity-based policy"), "{denied}");
}

#[tokio::test]
async fn nobody_new_has_a_boundary_that_is_gone_when_it_is_its_turn() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    let iam = &world.iam;
    let policy = || async { iam.create_policy(home(), named("p"), None, INVOKE.to_owned()).await };
    let arn = policy().await.expect("a policy").arn;
    let bounded = || New { boundary: Some(arn.clone()), ..named("x") };
    // Asked for while the policy is there, and behind its removal.
    let (deleted, user) = tokio::join!(iam.delete_policy(home(), &arn), iam.create_user(home(), bounded()));
    assert_eq!(deleted, Ok(()));
    assert!(matches!(user, Err(IamError::NoSuchEntity(_))), "{user:?}");
    policy().await.expect("a policy again");
    let role = NewRole { new: bounded(), ..trusting("", r#"{"AWS":"000000000000"}"#) };
    let (deleted, role) = tokio::join!(iam.delete_policy(home(), &arn), iam.create_role(home(), role));
    assert_eq!(deleted, Ok(()));
    assert!(matches!(role, Err(IamError::NoSuchEntity(_))), "{role:?}");
}

#[tokio::test]
async fn refusals_are_in_amazons_words() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    let iam = &world.iam;
    let refused = |result: Result<(), IamError>| result.expect_err("refused").to_string();
    user_with_key(iam, "bob").await;
    iam.create_access_key(home(), "bob").await.expect("a second key");
    let third = iam.create_access_key(home(), "bob").await.map(drop);
    assert_eq!(refused(third), "Cannot exceed quota for AccessKeysPerUser: 2");
    let twice = iam.create_user(home(), named("BOB")).await.map(drop);
    assert_eq!(refused(twice), "User with name BOB already exists.");
    assert_eq!(
        refused(iam.delete_user(home(), "bob").await),
        "Cannot delete entity, must delete access keys first."
    );
    assert_eq!(refused(iam.delete_user(home(), "eve").await), "The user with name eve cannot be found.");
    let missing = iam.attach::<User>(home(), "bob", "arn:aws:iam::000000000000:policy/p").await;
    assert_eq!(
        refused(missing),
        "Policy arn:aws:iam::000000000000:policy/p does not exist or is not attachable."
    );
    let policy = iam.create_policy(home(), named("p"), None, INVOKE.to_owned()).await.expect("a policy");
    iam.attach::<User>(home(), "bob", &policy.arn).await.expect("attached");
    assert_eq!(
        refused(iam.delete_policy(home(), &policy.arn).await),
        "Cannot delete a policy attached to entities."
    );
    for number in 2..=5 {
        let version = iam.create_policy_version(home(), &policy.arn, INVOKE.to_owned(), true).await;
        assert_eq!(version.expect("a version").number, number);
    }
    let sixth = iam.create_policy_version(home(), &policy.arn, INVOKE.to_owned(), true).await.map(drop);
    assert!(matches!(sixth, Err(IamError::LimitExceeded(_))));
    let default = iam.delete_policy_version(home(), &policy.arn, "v5").await;
    assert_eq!(refused(default), "Cannot delete the default version of a policy.");
    iam.delete_policy_version(home(), &policy.arn, "v1").await.expect("deleted");
    let malformed = iam.put_inline::<User>(home(), "bob", "x", "{".to_owned()).await;
    assert!(matches!(malformed, Err(IamError::MalformedPolicyDocument(_))));
    let described = iam.policy(home(), &policy.arn).expect("the policy");
    assert_eq!((described.attachments, described.policy.default_version), (1, 5));
    let users = iam.list::<User>(home(), &PageOf::default()).expect("a page");
    assert_eq!((users.items.len(), users.next), (1, None));
}

fn reference(name: &str) -> FunctionReference {
    FunctionReference::parse(name).expect("a name")
}

fn session_of(
    identity: &Identity,
    made: &control::identity::TemporaryCredentials,
) -> Result<Caller, KeyError> {
    identity.find(&made.access_key_id, Some(&made.session_token)).map(|(caller, _)| caller)
}

#[tokio::test]
async fn whoever_has_the_name_of_somebody_gone_inherits_nothing() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    let (iam, identity) = (&world.iam, identity(&world));
    let old = user_with_key(iam, "bob").await;
    let bob = "arn:aws:iam::000000000000:user/bob";
    iam.create_role(home(), trusting("worker", &format!(r#"{{"AWS":"{bob}"}}"#))).await.expect("a role");
    world.create("f").await;
    let f = reference("f");
    let place = || Place { reference: &f, qualifier: None };
    let permission = Permission {
        sid: "bob".to_owned(),
        action: "lambda:InvokeFunction".to_owned(),
        principal: bob.to_owned(),
        ..Permission::default()
    };
    world.functions.add_permission(&scope(), place(), permission, None).await.expect("permitted");
    let may_invoke = |caller: &Caller| {
        let id = FunctionId { scope: scope(), name: f.name.clone() };
        let policy = world.functions.policy_document(&id, None);
        let (policy, context) = (policy.as_deref(), Context::new());
        let action = "lambda:InvokeFunction";
        caller.may(Asking { action, resource: FUNCTION, owner: None, policy, context }).is_ok()
    };
    let shown = || {
        let trust = iam.shown(&iam.get::<Role>(home(), "worker").expect("the role").trust);
        (trust, world.functions.policy(&scope(), place()).expect("a policy").text.clone())
    };
    let first = find(&identity, &old).expect("bob");
    assert!(may_invoke(&first) && identity.assume_role(&first, assume("worker")).is_ok());
    assert!(shown().0.contains(bob) && shown().1.contains(bob));
    iam.update_user(home(), "bob", Some("rob".to_owned()), None).await.expect("renamed");
    let renamed = find(&identity, &old).expect("rob");
    assert!(may_invoke(&renamed) && identity.assume_role(&renamed, assume("worker")).is_ok());
    assert!(shown().0.contains("user/rob") && shown().1.contains("user/rob"));
    let new = user_with_key(iam, "bob").await;
    let second = find(&identity, &new).expect("another bob");
    assert!(!may_invoke(&second) && identity.assume_role(&second, assume("worker")).is_err());
    iam.delete_access_key(home(), "rob", &old.id).await.expect("deleted");
    iam.delete_user(home(), "rob").await.expect("deleted");
    assert!(shown().0.contains(r#""AWS":"AIDA"#) && shown().1.contains(r#""AWS":"AIDA"#));
    let dead = iam.update_trust(home(), "worker", shown().0).await.expect_err("nobody has this id");
    assert!(dead.to_string().starts_with(r#"Invalid principal in policy: "AWS":"AIDA"#), "{dead}");
}

#[tokio::test]
async fn a_functions_credentials_end_with_its_role() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    let (iam, identity) = (&world.iam, identity(&world));
    let role = crate::world::create("f").settings.role.expect("a role");
    let name = role.rsplit('/').next().expect("a name");
    let lambda = || trusting(name, r#"{"Service":"lambda.amazonaws.com"}"#);
    iam.create_role(home(), lambda()).await.expect("a role");
    iam.put_inline::<Role>(home(), name, "invoke", INVOKE.to_owned()).await.expect("put");
    let function = world.create("f").await;
    let minted = model::port::Roles::credentials(&identity, &function);
    let caller = || identity.find(&minted.access_key_id, Some(&minted.session_token)).expect("not expired").0;
    assert!(may(&caller(), "lambda:InvokeFunction"));
    assert_eq!(caller().standing().facts.single("lambda:SourceFunctionArn"), Some(FUNCTION));
    iam.delete_inline::<Role>(home(), name, "invoke").await.expect("deleted");
    iam.delete_role(home(), name).await.expect("deleted");
    iam.create_role(home(), lambda()).await.expect("another role");
    iam.attach::<Role>(home(), name, "arn:aws:iam::aws:policy/AdministratorAccess").await.expect("attached");
    assert!(!may(&caller(), "lambda:InvokeFunction"), "of the role that has gone");
}

#[tokio::test]
async fn a_function_takes_on_a_role_when_it_is_started_or_never() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    let (iam, identity) = (&world.iam, identity(&world));
    let function = world.create("f").await;
    let name = function.settings.role.rsplit('/').next().expect("a name");
    let started = || {
        let minted = model::port::Roles::credentials(&identity, &function);
        let identity = &identity;
        move || identity.find(&minted.access_key_id, Some(&minted.session_token)).expect("not expired").0
    };
    let own_logs = |caller: &Caller| {
        let group = "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/f:x";
        authorize(caller, "logs:PutLogEvents", group).is_ok()
    };
    let before = started();
    iam.create_role(home(), trusting(name, r#"{"Service":"ec2.amazonaws.com"}"#)).await.expect("a role");
    iam.put_inline::<Role>(home(), name, "invoke", INVOKE.to_owned()).await.expect("put");
    let without_trust = started();
    for caller in [before(), without_trust()] {
        assert!(!may(&caller, "lambda:InvokeFunction") && own_logs(&caller), "{caller:?}");
    }
    let lambda = trusting("", r#"{"Service":"lambda.amazonaws.com"}"#).trust;
    iam.update_trust(home(), name, lambda).await.expect("trusts");
    for caller in [before(), without_trust()] {
        assert!(!may(&caller, "lambda:InvokeFunction"), "what was not taken on is not had later: {caller:?}");
    }
    let taken = started();
    assert!(may(&taken(), "lambda:InvokeFunction") && !own_logs(&taken()));
    let nobody = trusting("", r#"{"Service":"ec2.amazonaws.com"}"#).trust;
    iam.update_trust(home(), name, nobody).await.expect("does not trust");
    assert!(may(&taken(), "lambda:InvokeFunction"), "a session that has begun goes on");
    assert!(!may(&started()(), "lambda:InvokeFunction"));
}

#[tokio::test]
async fn a_function_logs_to_its_own_group_and_elsewhere_where_its_role_may() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    let (iam, identity) = (&world.iam, identity(&world));
    let mut function = Function::clone(&*world.create("f").await);
    let name = function.settings.role.rsplit('/').next().expect("a name").to_owned();
    let may_log = |function: &Function| {
        let minted = model::port::Roles::credentials(&identity, function);
        model::port::Roles::may_log(&identity, function, &minted, "2026/11/29/[$LATEST]0")
    };
    assert!(may_log(&function), "its own group needs no role");
    Arc::make_mut(&mut function.settings).logging.group = Some("/audit/x".to_owned());
    assert!(!may_log(&function), "without a role");
    iam.create_role(home(), trusting(&name, r#"{"Service":"lambda.amazonaws.com"}"#)).await.expect("a role");
    assert!(!may_log(&function), "without a policy");
    let write = |group: &str| {
        format!(
            r#"{{"Statement":{{"Effect":"Allow","Action":"logs:*","Resource":"arn:aws:logs:*:*:log-group:{group}:*"}}}}"#
        )
    };
    iam.put_inline::<Role>(home(), &name, "write", write("/audit/y")).await.expect("put");
    assert!(!may_log(&function), "elsewhere only");
    iam.put_inline::<Role>(home(), &name, "write", write("/audit/x")).await.expect("put");
    assert!(may_log(&function));
    let stream = write("/audit/x").replace(r#""logs:*""#, r#""logs:PutLogEvents""#);
    iam.put_inline::<Role>(home(), &name, "write", stream).await.expect("put");
    assert!(!may_log(&function), "no stream of its own");
    let streams = write("/audit/x").replace("/audit/x:*", "/audit/x:log-stream:*");
    iam.put_inline::<Role>(home(), &name, "write", streams).await.expect("put");
    assert!(may_log(&function), "as AWS's own policies write it");
    let denial = write("/audit/x").replace("/audit/x:*", "/audit/x:log-stream:2026/*");
    let denial = denial.replace("Allow", "Deny").replace(r#""logs:*""#, r#""logs:CreateLogStream""#);
    iam.put_inline::<Role>(home(), &name, "not", denial).await.expect("put");
    assert!(!may_log(&function), "not these streams");
}

#[tokio::test]
async fn sessions_do_not_outgrow_what_they_began_as() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    let (iam, identity) = (&world.iam, identity(&world));
    let root = Caller::lasting(home(), Principal::Root);
    iam.create_role(home(), trusting("open", r#"{"AWS":"000000000000"}"#)).await.expect("a role");
    let refused = identity.assume_role(&root, assume("open")).expect_err("the owner");
    assert_eq!(refused.to_string(), "Roles may not be assumed by root accounts.");
    let made = identity.session_token(&root, None).expect("a session");
    let session = session_of(&identity, &made).expect("the owner");
    assert!(session.owns(home()) && session.has_session_token());
    assert!(identity.session_token(&session, None).is_err(), "a session does not make itself longer");
    assert!(identity.assume_role(&session, assume("open")).is_err());

    let key = user_with_key(iam, "bob").await;
    let bob = find(&identity, &key).expect("bob");
    let both = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"*"},"Action":["sts:AssumeRole","sts:SetSourceIdentity"]}}"#;
    for name in ["one", "two"] {
        let role = NewRole { new: named(name), trust: both.to_owned(), ..NewRole::default() };
        iam.create_role(home(), role).await.expect("a role");
    }
    let known = AssumeRole { source_identity: Some("bob".to_owned()), ..assume("one") };
    let one = identity.assume_role(&bob, known).expect("known");
    let one = session_of(&identity, &one.credentials).expect("a session");
    let other = AssumeRole { source_identity: Some("eve".to_owned()), ..assume("two") };
    assert!(identity.assume_role(&one, other).is_err(), "who stands behind it cannot be changed");
    let two = identity.assume_role(&one, assume("two")).expect("chained");
    assert_eq!(two.source_identity.as_deref(), Some("bob"), "and goes on through the chain");
}

#[tokio::test]
async fn last_uses_are_told_and_outlive_a_restart_and_go_with_what_was_used() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    let key = user_with_key(&world.iam, "bob").await;
    let caller = find(&identity(&world), &key).expect("bob");
    assert_eq!(world.iam.last_use(&key.id), None);
    world.iam.used(&caller, &key.id, "lambda", "us-east-1");
    world.clock.turn(Duration::from_secs(5));
    world.iam.used(&caller, &key.id, "lambda", "us-east-1");
    let first = world.iam.last_use(&key.id).expect("used");
    assert_eq!((first.service.as_str(), first.region.as_str()), ("lambda", "us-east-1"));
    world.iam.used(&caller, &key.id, "iam", "us-east-1");
    let second = world.iam.last_use(&key.id).expect("used");
    assert_eq!(second.service, "iam");
    assert_eq!(second.time.since(first.time), Duration::from_secs(5), "the same again is not noted at once");
    world.iam.write_uses().await;
    world.store.close().await;
    let world = World::open(data.path()).await;
    assert_eq!(world.iam.last_use(&key.id), Some(second));
    world.iam.delete_access_key(home(), "bob", &key.id).await.expect("deleted");
    world.iam.write_uses().await;
    world.store.close().await;
    assert_eq!(World::open(data.path()).await.iam.last_use(&key.id), None);
}

#[tokio::test]
async fn an_account_has_so_many_groups_and_no_more() {
    let data = tempfile::tempdir().expect("a directory");
    let world = World::open(data.path()).await;
    for number in 0..300 {
        world.iam.create_group(home(), named(&format!("g{number}"))).await.expect("a group");
    }
    let refused = world.iam.create_group(home(), named("more")).await.expect_err("as many as there may be");
    assert_eq!(refused, IamError::LimitExceeded("Cannot exceed quota for GroupsPerAccount: 300".to_owned()));
    let other = AccountId::parse("210987654321").expect("an account");
    world.iam.create_group(other, named("more")).await.expect("of another account");
}
