//! Runs the tables of `conformance/` (their form is explained in `conformance/README.md`) against a live server.
//!
//! A case is data: what is given, the request, what is expected. The signer is raw, because an SDK would refuse to
//! send some of the requests. All cases share a server; each has a region to itself, so that they cannot meet. Cases that
//! need a world of their own are for the gateway's tests, which can make one.

#[expect(dead_code, reason = "the gateway's tests do more with a case than play it")]
#[path = "../../../gateway/tests/it/cases.rs"]
mod cases;
#[path = "../../../gateway/tests/it/forms.rs"]
mod forms;

use std::path::PathBuf;

use model::time::Timestamp;

use self::cases::{Ask, Case, Seen, Sign, Variables, create_function};
use crate::harness::http::{ROLE, Request, now};
use crate::harness::{KEY_ID, SECRET, Server, repository, until};

const ACCOUNT: &str = "000000000000";
/// What makes a queue one that keeps an order, as a form has it.
const FIFO: &str = "&Attribute.1.Name=FifoQueue&Attribute.1.Value=true";
/// Ten minutes ago, twice what clocks may differ.
const EXPIRED_MS: i64 = 10 * 60 * 1_000;

#[test]
fn lambda() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    let ready = Request::new("GET", "/_dormouse/runtimes").send(&server).json();
    let names =
        ready["runtimes"].as_array().expect("a list").iter().filter_map(|entry| entry["name"].as_str());
    let runtime = names.into_iter().find(|name| name.starts_with("python")).expect("a Python");
    let_functions_read_queues(&server);
    let cases = cases::cases(&root(), "lambda");
    assert!(!cases.is_empty(), "there are tables");
    let (mut run, mut failures) = (0, Vec::new());
    for case in cases.iter().filter(|case| case.world.is_none()) {
        run += 1;
        if let Err(problem) = Run::new(&server, runtime, run, &case.operation).case(case) {
            failures.push(format!("{}: {problem}", case.title));
        }
    }
    eprintln!("conformance: {} of {run} cases as expected", run - failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Makes the role that all functions have, since a mapping of a queue asks what it may.
fn let_functions_read_queues(server: &Server) {
    let trust = r#"{"Statement":{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}}"#;
    let policy = r#"{"Statement":{"Effect":"Allow","Action":["sqs:*","logs:*"],"Resource":"*"}}"#;
    let name = ROLE.rsplit('/').next().expect("a name");
    for form in [
        format!(
            "Action=CreateRole&Version=2010-05-08&RoleName={name}&AssumeRolePolicyDocument={}",
            escaped(trust)
        ),
        format!(
            "Action=PutRolePolicy&Version=2010-05-08&RoleName={name}&PolicyName=read&PolicyDocument={}",
            escaped(policy)
        ),
    ] {
        post_form(server, "iam", "us-east-1", form);
    }
}

fn post_form(server: &Server, service: &str, region: &str, form: String) {
    let request = Request::new("POST", "/").service(service).region(region).body(form.into_bytes());
    let answer = request.header("content-type", "application/x-www-form-urlencoded").send(server);
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
}

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Where the tables are.
fn root() -> PathBuf {
    repository().join("conformance")
}

/// A region of its own for each case, in the form that the API model wants for ARNs.
fn region(number: usize) -> String {
    let letters = number.to_string().bytes().map(|digit| char::from(digit - b'0' + b'a')).collect::<String>();
    format!("xx-{letters}-1")
}

/// One case on one server.
struct Run<'a> {
    server: &'a Server,
    region: String,
    name: String,
    variables: Variables,
}

impl<'a> Run<'a> {
    fn new(server: &'a Server, runtime: &str, number: usize, operation: &str) -> Self {
        let (region, name) = (region(number), format!("{operation}-{number}"));
        let given = [
            ("name", name.clone()),
            ("account", ACCOUNT.to_owned()),
            ("region", region.clone()),
            ("runtime", runtime.to_owned()),
            ("role", ROLE.to_owned()),
            ("arn", format!("arn:aws:lambda:{region}:{ACCOUNT}:function:{name}")),
            ("revision", String::new()),
        ];
        let variables = Variables(given.map(|(name, value)| (name.to_owned(), value)).into());
        Self { server, region, name, variables }
    }

    fn case(&mut self, case: &Case) -> Result<(), String> {
        if case.needs_function {
            self.succeed(create_function(&root(), &self.variables))?;
            let revision = self.settle();
            self.variables.0.insert("revision".to_owned(), revision);
        }
        if case.needs_function && case.operation.contains("EventSourceMapping") {
            let Self { server, region, name, .. } = self;
            for queue in [format!("&QueueName={name}"), format!("&QueueName={name}.fifo{FIFO}")] {
                post_form(server, "sqs", region, format!("Action=CreateQueue&Version=2012-11-05{queue}"));
            }
        }
        for request in &case.before {
            let seen = until("the answer says what is waited for", || {
                let seen = self.succeed(case.preparation(request, &self.variables));
                let goes_on = seen.as_ref().is_ok_and(|seen| !case.is_reached(request, &seen.body));
                (!goes_on).then_some(seen)
            })?;
            case.keep(request, &seen.body, &mut self.variables)?;
            self.settle();
        }
        let outcome = case.check(&self.variables, &self.send(case.request(&self.variables)));
        // What the case has begun must not go on into the next.
        self.settle();
        outcome
    }

    /// Waits until no change of the function is under way; its revision then.
    fn settle(&self) -> String {
        let path = format!("/2015-03-31/functions/{}/configuration", self.name);
        until("the function has settled", || {
            let found = Request::new("GET", &path).region(&self.region).send(self.server);
            let body = found.json();
            let under_way = body["State"] == "Pending" || body["LastUpdateStatus"] == "InProgress";
            (!under_way).then(|| body["RevisionId"].as_str().unwrap_or_default().to_owned())
        })
    }

    fn succeed(&self, request: Ask) -> Result<Seen, String> {
        let seen = self.send(request);
        match seen.status {
            200..300 => Ok(seen),
            status => {
                let text = String::from_utf8_lossy(&seen.body);
                Err(format!("what came before was refused: {status} {text}"))
            }
        }
    }

    fn send(&self, ask: Ask) -> Seen {
        let mut request = Request::new(&ask.method, &ask.target).region(&self.region).body(ask.body);
        for (name, value) in &ask.headers {
            request = request.header(name, value);
        }
        let answer = match ask.sign {
            Sign::Root => request.send(self.server),
            Sign::Not => request.unsigned().send(self.server),
            Sign::WrongSecret => request.send_as(self.server, KEY_ID, "wrong"),
            Sign::UnknownKey => request.send_as(self.server, "AKIANOBODYNOBODYNOBO", SECRET),
            Sign::Expired => {
                request.at(Timestamp::from_millis(now().as_millis() - EXPIRED_MS)).send(self.server)
            }
            Sign::OtherService => request.service("kinesis").send(self.server),
        };
        let headers = answer.headers.iter().map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        });
        Seen { status: answer.status, headers: headers.collect(), body: answer.body }
    }
}
