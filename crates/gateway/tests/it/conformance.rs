//! The conformance tables against the front with its stand-in engine. The whole server is held to the same tables
//! by its own tests.

use std::path::Path;

use control::identity::Access;
use http::{HeaderMap, HeaderName, HeaderValue};
use wire::sigv4::{Credentials, Secret};

use crate::cases::{Ask, Case, Seen, Sign, Variables, cases, create_function};
use crate::client::Client;
use crate::world::{World, root_credentials};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lambda_answers_as_the_tables_say() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance");
    let world = World::open(Access::Verified).await;
    let cases = cases(&root, "lambda");
    assert!(cases.len() > 150, "only {} cases were found", cases.len());
    let mut failures = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        if let Err(why) = run(&world, &root, case, &format!("case-{index}")).await {
            failures.push(format!("{}\n    {why}", case.title));
        }
    }
    assert!(failures.is_empty(), "{} cases fail:\n{}", failures.len(), failures.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn iam_and_sts_answer_as_the_tables_say() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance");
    let world = World::open(Access::Verified).await;
    let mut cases = cases(&root, "iam");
    cases.extend(self::cases(&root, "sts"));
    assert!(cases.len() > 200, "only {} cases were found", cases.len());
    let mut failures = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        if let Err(why) = run(&world, &root, case, &format!("case-{index}")).await {
            failures.push(format!("{}\n    {why}", case.title));
        }
    }
    assert!(failures.is_empty(), "{} cases fail:\n{}", failures.len(), failures.join("\n"));
}

async fn run(world: &World, root: &Path, case: &Case, name: &str) -> Result<(), String> {
    let given = [
        ("name", name.to_owned()),
        ("account", "000000000000".to_owned()),
        ("region", "us-east-1".to_owned()),
        ("runtime", "python3.12".to_owned()),
        ("role", "arn:aws:iam::000000000000:role/conformance".to_owned()),
        ("arn", format!("arn:aws:lambda:us-east-1:000000000000:function:{name}")),
        ("revision", String::new()),
        // Variables of policies.
        ("aws:username", "${aws:username}".to_owned()),
    ];
    let mut variables = Variables(given.map(|(name, value)| (name.to_owned(), value)).into());
    if case.needs_function {
        prepare(world, create_function(root, &variables), name).await?;
        let settled = world.settled(&world.client(), name).await;
        let revision = settled.json()["RevisionId"].as_str().unwrap_or_default().to_owned();
        variables.0.insert("revision".to_owned(), revision);
    }
    for request in &case.before {
        let seen = prepare(world, case.preparation(request, &variables), name).await?;
        case.keep(request, &seen.body, &mut variables)?;
    }
    case.check(&variables, &send(world, case.request(&variables)).await)
}

async fn prepare(world: &World, request: Ask, name: &str) -> Result<Seen, String> {
    let seen = send(world, request).await;
    if !(200..300).contains(&seen.status) {
        return Err(format!("preparing it failed: {} {}", seen.status, String::from_utf8_lossy(&seen.body)));
    }
    world.settled(&world.client(), name).await;
    Ok(seen)
}

async fn send(world: &World, ask: Ask) -> Seen {
    let with = |credentials: Credentials| Client::new(world.address, Some(credentials));
    let own = ask.key.map(|[key_id, secret, token]| Credentials {
        access_key_id: key_id,
        secret: Secret::new(secret),
        session_token: (!token.is_empty()).then(|| Secret::new(token)),
    });
    let client = match ask.sign {
        _ if own.is_some() => Client::new(world.address, own),
        Sign::Root => world.client(),
        Sign::Not => Client::new(world.address, None),
        Sign::WrongSecret => with(Credentials { secret: Secret::new("wrong"), ..root_credentials() }),
        Sign::UnknownKey => {
            with(Credentials { access_key_id: "AKIAUNKNOWN".to_owned(), ..root_credentials() })
        }
        Sign::Expired => world.client().with_skew_ms(-6 * 60_000),
        Sign::OtherService => world.client().with_service("sqs"),
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
