//! Many at once. The bounds are wide, because tests share the machine with whatever else runs on it; the figures
//! are printed for whoever looks, and the claims with their benches stand in `SPECIFICATION.md`.

use std::time::Instant;

use crate::harness::http::{Request, create, creation, invoke};
use crate::harness::{Server, serve, told, until};

#[test]
fn fifty_invocations_of_one_second_run_side_by_side() {
    const COUNT: usize = 50;
    let code =
        "import time\ndef handler(event, context):\n    time.sleep(1)\n    return context.log_stream_name\n";
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    create(&server, &creation("second", code));
    let all_at_once = || {
        let begun = Instant::now();
        let streams: std::collections::BTreeSet<String> = std::thread::scope(|scope| {
            let running: Vec<_> =
                (0..COUNT).map(|_| scope.spawn(|| invoke(&server, "second", "{}"))).collect();
            let answers = running.into_iter().map(|thread| thread.join().expect("answered"));
            answers
                .map(|answer| {
                    answer.json().as_str().unwrap_or_else(|| panic!("{}", answer.text())).to_owned()
                })
                .collect()
        });
        (streams, begun.elapsed())
    };
    let (first, cold) = all_at_once();
    let (second, warm) = all_at_once();
    eprintln!(
        "{COUNT} invocations of 1 s at once: {cold:.2?} from nothing in {} environments, {warm:.2?} warm",
        first.len()
    );
    // Those that wait may take an environment that has become free before theirs was made.
    assert!(first.len() > COUNT / 3 && second.len() >= first.len(), "{} and {}", first.len(), second.len());
    assert!(cold.as_secs_f64() < 10.0, "{cold:.2?}");
    assert!(warm.as_secs_f64() < 3.0, "{warm:.2?}");
}

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
