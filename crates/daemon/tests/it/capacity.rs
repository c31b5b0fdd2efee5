//! How much may run at once, and where that is seen.
//!
//! That many do run at once, and how quickly they begin, is checked by `tests/clients/parallel.py`.

use crate::harness::http::{Request, create, creation, invoke};
use crate::harness::{Server, serve, told, until};

#[test]
fn beyond_the_account_limit_callers_are_throttled_as_aws_throttles() {
    let code =
        "import time\ndef handler(event, context):\n    print('began', flush=True)\n    time.sleep(2)\n";
    let data = tempfile::tempdir().expect("a temporary folder");
    let mut command = serve(data.path());
    command.args(["--concurrency", "1"]);
    let server = Server::spawn(data.path(), command);
    create(&server, &creation("alone", code));
    std::thread::scope(|scope| {
        let first = scope.spawn(|| invoke(&server, "alone", "{}"));
        until("the first runs", || told(&server.run(&["logs", "alone"])).contains("began").then_some(()));
        let second = invoke(&server, "alone", "{}");
        assert_eq!((second.status, second.code()), (429, "TooManyRequestsException"), "{}", second.text());
        assert_eq!(second.json()["Reason"], "ConcurrentInvocationLimitExceeded", "{}", second.text());
        assert_eq!(first.join().expect("answered").status, 200);
    });
    assert_eq!(invoke(&server, "alone", "{}").status, 200, "there is room again");
}

#[test]
fn the_longest_idle_environment_gives_way_to_a_new_one() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let mut command = serve(data.path());
    command.args(["--environments-max", "1"]);
    let server = Server::spawn(data.path(), command);
    for name in ["one", "other"] {
        create(&server, &creation(name, "def handler(event, context):\n    pass\n"));
    }
    for name in ["one", "other", "one", "other"] {
        let answer = invoke(&server, name, "{}");
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

#[test]
fn metrics_count_requests_and_environments() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    create(&server, &creation("counted", "def handler(event, context):\n    pass\n"));
    for _ in 0..3 {
        assert_eq!(invoke(&server, "counted", "{}").status, 200);
    }
    let metrics = Request::new("GET", "/_dormouse/metrics").send(&server);
    assert_eq!(metrics.status, 200, "{}", metrics.text());
    for line in ["dormouse_environments{state=\"idle\"} 1", "dormouse_invocations_running 0"] {
        assert!(metrics.text().contains(line), "{line} is not in:\n{}", metrics.text());
    }
}
