//! The clients that people have: boto3 and the AWS CLI, unmodified, from PyPI, against the real binary.
//!
//! What they check is in `tests/clients`, one script a test. A script prints a line for each check, goes on after
//! one that fails, and ends with a sum; it knows the server by environment variables alone, so it can be run by
//! hand against any server as well.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::leftovers::Belongings;
use crate::harness::{DORMOUSE, Server, repository, told};
use crate::native::bootstrap;

/// Runs a script of `tests/clients` beside a server of its own.
fn check(script: &str) {
    check_with(script, |_| ());
}

fn check_with(script: &str, prepare: impl FnOnce(&mut Command)) {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    run(script, &server, data.path(), prepare);
}

/// Runs a script, and stops its server: nothing that it made may be left on the machine.
fn check_leaving_nothing(script: &str) {
    let data = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(data.path());
    run(script, &server, data.path(), |_| ());
    let belongings = Belongings::of(&server);
    assert_eq!(server.stop().code(), Some(0));
    belongings.are_gone();
}

fn run(script: &str, server: &Server, data: &Path, prepare: impl FnOnce(&mut Command)) {
    let mut command = Command::new(python());
    // Its compiled modules would stay behind in the repository.
    command.arg("-B").arg(repository().join("tests/clients").join(script));
    server.introduce(&mut command);
    command.env("DORMOUSE_DATA_DIR", data).env("DORMOUSE_PID", server.pid().to_string());
    prepare(&mut command);
    let output = command.output().expect("Python starts");
    // Shown where a test is run with `--nocapture`, for the times that some scripts tell.
    println!("{script}: {}", told(&output));
    assert!(output.status.success(), "{script}: {}", failed(&String::from_utf8_lossy(&output.stdout)));
}

/// For scripts that start servers of their own.
fn with_binary(command: &mut Command) {
    command.env("DORMOUSE_BINARY", DORMOUSE);
}

/// The interpreter of the virtual environment that `./x` makes.
fn python() -> PathBuf {
    let path = repository().join(".venv/bin/python");
    assert!(path.exists(), "{} is missing: run `./x test` once, which installs it", path.display());
    path
}

/// The lines about checks that failed, and the sum.
fn failed(output: &str) -> String {
    let told = output.lines().filter(|line| !line.starts_with("ok ")).map(|line| format!("\n  {line}"));
    told.collect()
}

#[test]
fn boto3_does_the_whole_life_of_a_function() {
    check("boto3_flow.py");
}

#[test]
fn boto3_sees_aws_errors() {
    check("api_errors.py");
}

#[test]
fn the_aws_cli_does_the_whole_life_of_a_function() {
    check("aws_cli_flow.py");
}

#[test]
fn the_aws_cli_calls_every_operation() {
    check("cli_every_operation.py");
}

#[test]
fn the_sdk_for_javascript_walks_through() {
    check("js_sdk.py");
}

/// Building the SDK takes a minute or two, the first time.
#[test]
fn the_sdk_for_rust_walks_through() {
    check("rust_sdk.py");
}

#[test]
fn layers_are_published_merged_and_kept_for_who_uses_them() {
    check("layers.py");
}

#[test]
fn event_sources_of_every_kind_are_mapped_to_functions() {
    check("event_sources.py");
}

#[test]
fn event_buses_take_and_keep_events() {
    check("eventbridge.py");
}

#[test]
fn logs_are_found_tailed_and_followed() {
    check("logs.py");
}

/// The script starts a server of its own.
#[test]
fn logs_are_handed_on_to_functions() {
    check_with("log_subscriptions.py", with_binary);
}

#[test]
fn schedules_wake_functions_at_their_times() {
    check("scheduler.py");
}

#[test]
fn asynchronous_invocations_are_configured_and_functions_have_addresses() {
    check("event_invoke_and_urls.py");
}

/// The script starts servers of its own.
#[test]
fn functions_are_called_by_their_own_addresses() {
    check_with("function_urls.py", with_binary);
}

/// The script starts servers of its own.
#[test]
fn policies_decide_who_may_do_what() {
    check_with("authorization.py", with_binary);
}

#[test]
fn versions_and_aliases_run_what_they_stand_for() {
    check("versions.py");
}

#[test]
fn functions_are_configured_labelled_and_guarded() {
    check("configuration.py");
}

#[test]
fn capacity_providers_are_kept_for_who_uses_them() {
    check("capacity.py");
}

#[test]
fn the_vendors_python_client_runs_unmodified() {
    check("vendor/python_client.py");
}

#[test]
fn the_vendors_node_client_runs_unmodified() {
    check("vendor/node_client.py");
}

#[test]
fn powertools_run_unmodified() {
    check("vendor/powertools.py");
}

#[test]
fn a_web_framework_runs_behind_its_adapter() {
    check("vendor/web_framework.py");
}

#[test]
fn hostile_input_is_refused_and_leaves_nothing() {
    check("bad_input.py");
}

#[test]
fn every_way_to_fail_is_told_as_lambda_tells_it() {
    check("faults.py");
}

#[test]
fn processes_that_break_the_rules_or_are_killed_harm_nobody() {
    check_leaving_nothing("process_faults.py");
}

#[test]
fn the_apis_inside_answer_as_the_tables_say() {
    check("inside.py");
}

#[test]
fn environments_live_as_documented() {
    check_leaving_nothing("environments.py");
}

#[test]
fn the_examples_of_extensions_work_as_layers() {
    check_leaving_nothing("extensions.py");
}

#[test]
fn responses_are_streamed_as_they_are_written() {
    check("streaming.py");
}

#[test]
fn a_native_function_runs_on_both_custom_runtimes() {
    let program = bootstrap();
    check_with("native.py", |command| {
        command.env("NATIVE_BOOTSTRAP", program);
    });
}

#[test]
fn fifty_invokes_at_once_take_little_longer_than_one() {
    check("parallel.py");
}

#[test]
fn functions_run_from_container_images() {
    check("images.py");
}

#[test]
fn hostile_images_are_refused_and_leave_nothing() {
    check("hostile_images.py");
}

/// The script starts servers of its own; the one beside it is the other registry.
#[test]
fn images_come_from_disks_and_other_registries_and_stay() {
    check_with("image_sources.py", with_binary);
}

#[test]
fn boto3_manages_repositories() {
    check("ecr_api.py");
}

#[test]
fn code_comes_from_buckets() {
    check_with("s3_code.py", with_binary);
}

#[test]
fn functions_share_the_directories_that_the_owner_allows() {
    check_with("shared_files.py", with_binary);
}

#[test]
fn no_form_breaks_the_query_protocol() {
    check("query_property.py");
}

/// The script starts servers of its own: one that checks signatures, and one that takes any key.
#[test]
fn accounts_and_regions_are_apart() {
    check_with("apart.py", with_binary);
}

/// The script's server is its own, since it is started again.
#[test]
fn no_request_out_of_the_whole_model_breaks_anything() {
    check_with("model_property.py", with_binary);
}

/// The script starts servers of its own; the one beside it shows that two of them do not disturb each other.
#[test]
fn what_was_acknowledged_survives_every_rude_end() {
    check_with("durability.py", with_binary);
}

#[test]
fn concurrency_is_reserved() {
    check("reserved_concurrency.py");
}

/// The script's server is its own, since it is killed.
#[test]
fn events_run_later() {
    check_with("asynchronous.py", with_binary);
}

/// The script's server is its own, since it is killed.
#[test]
fn queues_wake_functions() {
    check_with("queue_functions.py", with_binary);
}

/// The script's server is its own, whose pauses are short.
#[test]
fn a_chain_of_queues_and_functions_survives_failures_in_its_middle() {
    check_with("chain.py", with_binary);
}

/// The script's server is its own, on a disk of its own.
#[test]
fn a_full_disk_refuses_loses_nothing_and_works_again() {
    check_with("full_disk.py", with_binary);
}

/// The script's servers are its own. `KILLS=100` is the whole test; a run of everything does fewer.
#[test]
fn killed_again_and_again_under_load_nothing_is_lost() {
    check_with("kills.py", with_binary);
}

/// The script's server is its own, since it is started again.
#[test]
fn concurrency_is_provisioned() {
    check_with("provisioned_concurrency.py", with_binary);
}

#[test]
fn users_and_roles_may_do_what_their_policies_say() {
    check_with("iam.py", with_binary);
}

#[test]
fn queues_work_with_unmodified_clients() {
    check_with("sqs.py", with_binary);
}

#[test]
fn sns_topics_work_with_unmodified_clients() {
    check_with("sns.py", with_binary);
}
