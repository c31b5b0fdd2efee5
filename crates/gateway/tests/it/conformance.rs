//! The conformance tables against the front with its stand-in engine. The whole server is held to the same tables
//! by its own tests, but for the cases that need a world which only a test can make.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use control::identity::Access;
use http::{HeaderMap, HeaderName, HeaderValue};
use model::limits::Quotas;
use serde_json::Value;
use wire::sigv4::{Credentials, Secret};

use crate::cases::{Ask, Case, Seen, Sign, Variables, cases, create_function};
use crate::client::Client;
use crate::world::{World, root_credentials};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lambda_answers_as_the_tables_say() {
    let worlds = Worlds::open().await;
    let cases = cases(&root(), "lambda");
    assert!(cases.len() > 150, "only {} cases were found", cases.len());
    let mut failures = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        if let Err(why) = worlds.stage(case, index).play(case).await {
            failures.push(format!("{}\n    {why}", case.title));
        }
    }
    assert!(failures.is_empty(), "{} cases fail:\n{}", failures.len(), failures.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn iam_and_sts_answer_as_the_tables_say() {
    answer_as_the_tables_say(&["iam", "sts"], 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn event_buses_answer_as_the_tables_say() {
    answer_as_the_tables_say(&["events"], 120).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queues_answer_as_the_tables_say() {
    answer_as_the_tables_say(&["sqs"], 170).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_answer_as_the_tables_say() {
    answer_as_the_tables_say(&["sns"], 180).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schedules_answer_as_the_tables_say() {
    answer_as_the_tables_say(&["scheduler"], 45).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_groups_answer_as_the_tables_say() {
    answer_as_the_tables_say(&["logs"], 68).await;
}

async fn answer_as_the_tables_say(services: &[&str], count_min: usize) {
    let worlds = Worlds::open().await;
    let cases: Vec<Case> = services.iter().flat_map(|service| cases(&root(), service)).collect();
    assert!(cases.len() > count_min, "only {} cases were found", cases.len());
    let mut failures = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        if let Err(why) = worlds.stage(case, index).play(case).await {
            failures.push(format!("{}\n    {why}", case.title));
        }
    }
    assert!(failures.is_empty(), "{} cases fail:\n{}", failures.len(), failures.join("\n"));
}

/// The worlds that cases are played in.
struct Worlds {
    plain: World,
    small: World,
    held: World,
}

impl Worlds {
    async fn open() -> Self {
        Self { plain: World::open(Access::Verified).await, small: small().await, held: held().await }
    }

    /// Where a case is played.
    fn stage(&self, case: &Case, index: usize) -> Stage<'_> {
        match case.world.as_deref() {
            None => Stage::new(&self.plain, &format!("case-{index}"), "us-east-1"),
            Some("small") => Stage::new(&self.small, "small", &region(index)),
            Some("held") => Stage::new(&self.held, "held", &region(index)),
            Some(other) => panic!("{}: what world is {other}?", case.title),
        }
    }
}

/// A world in which there is little of everything: one alias, one capacity provider, and on it one version of a
/// function; one user, group, role and policy; one message of a queue that is out; one topic; and code for two functions that echo,
/// but not for a third.
async fn small() -> World {
    let echo = std::fs::metadata(root().join("fixtures/echo.zip")).expect("the fixture").len();
    let quotas = Quotas {
        code_bytes: 3 * echo - 1,
        aliases: 1,
        capacity_providers: 1,
        provider_versions: 1,
        identities: 1,
        messages_out: 1,
        topics: 1,
        ..Quotas::default()
    };
    World::open_with(Access::Verified, quotas).await
}

/// A world in which nothing that is handed over for delivery is ever taken.
pub async fn held() -> World {
    let world = World::open(Access::Verified).await;
    world.delivered.is_held.store(true, Ordering::Release);
    world
}

/// Where the tables are.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance")
}

/// A region that no other case has.
pub fn region(number: usize) -> String {
    let letter = |digit| char::from(b'a' + u8::try_from(digit % 26).expect("a letter"));
    let letters: String = [number / 676, number / 26, number].into_iter().map(letter).collect();
    format!("xx-{letters}-1")
}

/// Where a case is played: a world, with a function's name and a region.
pub struct Stage<'a> {
    pub world: &'a World,
    pub variables: Variables,
    pub name: String,
    pub region: String,
}

impl<'a> Stage<'a> {
    pub fn new(world: &'a World, name: &str, region: &str) -> Self {
        let given = [
            ("name", name.to_owned()),
            ("account", "000000000000".to_owned()),
            ("region", region.to_owned()),
            ("runtime", "python3.12".to_owned()),
            ("role", "arn:aws:iam::000000000000:role/conformance".to_owned()),
            ("arn", format!("arn:aws:lambda:{region}:000000000000:function:{name}")),
            ("revision", String::new()),
            // Variables of policies.
            ("aws:username", "${aws:username}".to_owned()),
        ];
        let variables = Variables(given.map(|(name, value)| (name.to_owned(), value)).into());
        Self { world, variables, name: name.to_owned(), region: region.to_owned() }
    }

    /// Plays a case from its beginning to its end.
    pub async fn play(mut self, case: &Case) -> Result<(), String> {
        self.prepare(case).await?;
        self.check(case, &self.client()).await
    }

    /// Makes what a case takes as given.
    pub async fn prepare(&mut self, case: &Case) -> Result<(), String> {
        if case.needs_function {
            self.succeed(create_function(&root(), &self.variables)).await?;
            let settled = self.world.settled(&self.client(), &self.name).await;
            let revision = settled.json()["RevisionId"].as_str().unwrap_or_default().to_owned();
            self.variables.0.insert("revision".to_owned(), revision);
        }
        for request in &case.before {
            let seen = self.reach(case, request).await?;
            case.keep(request, &seen.body, &mut self.variables)?;
        }
        Ok(())
    }

    /// Sends a request that must succeed, until its answer says what is waited for.
    async fn reach(&self, case: &Case, request: &Value) -> Result<Seen, String> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let seen = self.succeed(case.preparation(request, &self.variables)).await?;
            if case.is_reached(request, &seen.body) {
                return Ok(seen);
            }
            if Instant::now() > deadline {
                return Err(format!("it does not come: {}", String::from_utf8_lossy(&seen.body)));
            }
        }
    }

    /// Sends the request of a case and compares what comes back.
    pub async fn check(&self, case: &Case, client: &Client) -> Result<(), String> {
        case.check(&self.variables, &self.send(case.request(&self.variables), client).await)
    }

    /// A client in this region.
    pub fn client(&self) -> Client {
        self.world.client().with_region(&self.region)
    }

    async fn succeed(&self, request: Ask) -> Result<Seen, String> {
        let seen = self.send(request, &self.client()).await;
        if !(200..300).contains(&seen.status) {
            return Err(format!(
                "preparing it failed: {} {}",
                seen.status,
                String::from_utf8_lossy(&seen.body)
            ));
        }
        self.world.settled(&self.client(), &self.name).await;
        Ok(seen)
    }

    pub async fn send(&self, ask: Ask, client: &Client) -> Seen {
        let with = |credentials: Credentials| {
            Client::new(self.world.address, Some(credentials)).with_region(&self.region)
        };
        let own = ask.key.map(|[key_id, secret, token]| Credentials {
            access_key_id: key_id,
            secret: Secret::new(secret),
            session_token: (!token.is_empty()).then(|| Secret::new(token)),
        });
        let client = match ask.sign {
            _ if own.is_some() => Client::new(self.world.address, own).with_region(&self.region),
            Sign::Root => client.clone(),
            Sign::Not => Client::new(self.world.address, None),
            Sign::WrongSecret => with(Credentials { secret: Secret::new("wrong"), ..root_credentials() }),
            Sign::UnknownKey => {
                with(Credentials { access_key_id: "AKIAUNKNOWN".to_owned(), ..root_credentials() })
            }
            Sign::Expired => client.clone().with_skew_ms(-6 * 60_000),
            Sign::OtherService => client.clone().with_service("kinesis"),
        };
        let client = if ask.sign == Sign::OtherService { client } else { client.with_service(&ask.service) };
        let mut headers = HeaderMap::new();
        for (name, value) in ask.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a header's name");
            headers.insert(name, HeaderValue::from_str(&value).expect("a header's value"));
        }
        let answer = client.send(&ask.method, &ask.target, headers, ask.body.into()).await;
        let header = |(name, value): (&HeaderName, &HeaderValue)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        };
        Seen {
            status: answer.status,
            headers: answer.headers.iter().map(header).collect(),
            body: answer.body.to_vec(),
        }
    }
}
