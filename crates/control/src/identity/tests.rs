//! Keys, tokens and what their owners may do: the root key, execution roles, and the open server.
//!
//! The clock stands still unless a test turns it, and randomness counts, so every run is the same.

use std::sync::Mutex;

use model::arn::{FunctionId, Scope};
use model::function::{Architecture, Code, Zip};
use model::id::Region;
use model::limits;
use model::name::FunctionName;
use model::port::Pending;
use model::runtime::RuntimeName;
use model::time::Timestamp;
use proptest::prelude::*;
use store::records::typed::TypedRecords;
use store::records::{Key, Record, RecordError, Records, Revision, Write};
use store::seal::Sealer;

use super::*;
use crate::function::Change;

struct Still(Mutex<Timestamp>);

impl Clock for Still {
    fn now(&self) -> Timestamp {
        *self.0.lock().expect("not poisoned")
    }
}

struct Counting(Mutex<u8>);

impl Entropy for Counting {
    fn fill(&self, buffer: &mut [u8]) {
        let mut next = self.0.lock().expect("not poisoned");
        *next += 1;
        buffer.fill(*next);
    }
}

/// A store that has nothing and takes nothing.
struct Nothing;

impl Records for Nothing {
    fn list(&self, _: &'static str) -> Pending<'_, Result<Vec<Record>, RecordError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
    fn page<'a>(
        &'a self,
        _: &'static str,
        _: Option<&'a Key>,
        _: usize,
    ) -> Pending<'a, Result<Vec<Record>, RecordError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
    fn commit(&self, _: Vec<Write>) -> Pending<'_, Result<Vec<Revision>, RecordError>> {
        Box::pin(async { Err(RecordError::Closed) })
    }
    fn by_hand(&self, _: &Key) -> String {
        String::new()
    }
}

fn nobody(clock: &Arc<Still>, entropy: &Arc<Counting>) -> Iam {
    let sealer = Arc::new(Sealer::new(&[7; 32]).expect("a key"));
    let records = TypedRecords::new(Arc::new(Nothing), sealer);
    let iam = Iam::open(records, clock.clone(), entropy.clone(), limits::Quotas::default());
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(iam).expect("nobody")
}

fn identity(access: Access) -> (Identity, Arc<Still>) {
    let clock = Arc::new(Still(Mutex::new(Timestamp::from_millis(1_000_000))));
    let root = RootKey {
        access_key_id: "AKIAROOT".to_owned(),
        secret_access_key: SigningSecret::new("root secret".to_owned()),
        account: AccountId::DEFAULT,
    };
    let entropy = Arc::new(Counting(Mutex::new(0)));
    let (key, iam) = (TokenKey::new(&[7; 32]), nobody(&clock, &entropy));
    let identity = Identity { access, root, key, iam, clock: clock.clone(), entropy };
    (identity, clock)
}

fn function() -> Function {
    let change = Change {
        runtime: Some(RuntimeName::new("python3.12")),
        handler: Some("app.handler".to_owned()),
        role: Some("arn:aws:iam::210987654321:role/service/worker".to_owned()),
        architecture: Some(Architecture::X86_64),
        ..Change::default()
    };
    Function {
        id: FunctionId {
            scope: Scope {
                account: AccountId::parse("123456789012").expect("an account"),
                region: Region::default_region(),
            },
            name: FunctionName::parse("hello").expect("a name"),
        },
        version: model::name::Version::Latest,
        settings: Arc::new(change.into_settings_alone().expect("legal settings")),
        code: Code::Zip(Zip { digest: model::id::Digest::from_bytes([0; 32]), size_bytes: 1 }),
        origin: Default::default(),
        revision: model::id::RevisionId::from_random([0; 16]),
        build: model::id::RevisionId::from_random([0; 16]),
        last_modified: Timestamp::default(),
        state: model::function::State::Active,
        last_update: model::function::UpdateStatus::Successful,
        tags: Default::default(),
    }
}

#[test]
fn a_key_is_proven_by_its_secret() {
    let (identity, _) = identity(Access::Verified);
    let caller = identity.prove("AKIAROOT", "root secret").expect("the root key");
    assert_eq!(caller.principal, Principal::Root);
    for (id, secret) in [("AKIAROOT", "root secreT"), ("AKIAROOT", ""), ("AKIAOTHER", "root secret")] {
        assert_eq!(identity.prove(id, secret), Err(KeyError::Invalid), "{id} {secret}");
    }
}

#[test]
fn the_root_key_is_known_and_others_are_not() {
    let (identity, _) = identity(Access::Verified);
    let (caller, secret) = identity.find("AKIAROOT", None).expect("the root key");
    assert_eq!((caller.principal.clone(), secret.expose()), (Principal::Root, "root secret"));
    assert_eq!(caller.authorize("lambda:DeleteFunction", "*"), Ok(()));
    assert_eq!(identity.find("AKIAOTHER", None), Err(KeyError::Invalid));
    assert_eq!(identity.find("AKIAROOT", Some("token")), Err(KeyError::Invalid));
    assert!(!format!("{secret:?}").contains("root"));
}

#[test]
fn role_credentials_work_until_they_expire() {
    let (identity, clock) = identity(Access::Verified);
    let minted = identity.credentials(&function());
    assert!(minted.access_key_id.starts_with("ASIA") && minted.access_key_id.len() == 20);
    let (caller, secret) =
        identity.find(&minted.access_key_id, Some(&minted.session_token)).expect("own credentials");
    assert_eq!(secret.expose(), minted.secret_access_key);
    assert_eq!(caller.account.as_str(), "123456789012");
    let denied = caller.authorize("lambda:InvokeFunction", function().id.arn()).expect_err("no policy");
    assert_eq!(
        denied.to_string(),
        "User: arn:aws:sts::210987654321:assumed-role/worker/hello is not authorized to perform: \
         lambda:InvokeFunction on resource: arn:aws:lambda:us-east-1:123456789012:function:hello because no \
         identity-based policy allows the lambda:InvokeFunction action"
    );
    *clock.0.lock().expect("not poisoned") =
        Timestamp::from_millis(1_000_000).after(limits::ROLE_CREDENTIALS_VALID);
    assert_eq!(identity.find(&minted.access_key_id, Some(&minted.session_token)), Err(KeyError::Expired));
}

#[test]
fn credentials_differ_each_time_and_do_not_mix() {
    let (identity, _) = identity(Access::Verified);
    let (one, two) = (identity.credentials(&function()), identity.credentials(&function()));
    assert_ne!(one.access_key_id, two.access_key_id);
    assert_ne!(one.secret_access_key, two.secret_access_key);
    assert_eq!(identity.find(&one.access_key_id, Some(&two.session_token)), Err(KeyError::Invalid));
    assert_eq!(identity.find(&one.access_key_id, None), Err(KeyError::Invalid));
}

#[test]
fn an_open_server_believes_everybody() {
    let (identity, _) = identity(Access::Open);
    let account = |id: Option<&str>, token: Option<&str>| identity.believe(id, token).account.to_string();
    assert_eq!(account(None, None), "000000000000");
    assert_eq!(account(Some("test"), None), "000000000000");
    assert_eq!(account(Some("111122223333"), None), "111122223333");
    let minted = identity.credentials(&function());
    assert_eq!(account(Some(&minted.access_key_id), Some(&minted.session_token)), "123456789012");
    assert_eq!(identity.believe(None, None).authorize("lambda:DeleteFunction", "*"), Ok(()));
}

proptest! {
    /// No change of a token is accepted, and nothing panics.
    #[test]
    fn changed_tokens_are_refused(at in 0_usize..200, bit in 0_u8..8, garbage in prop::collection::vec(any::<u8>(), 0..100)) {
        use base64::Engine;
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let (identity, _) = identity(Access::Verified);
        let minted = identity.credentials(&function());
        let mut token = URL_SAFE_NO_PAD.decode(&minted.session_token).expect("own token");
        let at = at % token.len();
        token[at] ^= 1 << bit;
        let changed = URL_SAFE_NO_PAD.encode(&token);
        prop_assert_eq!(identity.find(&minted.access_key_id, Some(&changed)), Err(KeyError::Invalid));
        let garbage = URL_SAFE_NO_PAD.encode(&garbage);
        prop_assert_eq!(identity.find(&minted.access_key_id, Some(&garbage)), Err(KeyError::Invalid));
    }
}
