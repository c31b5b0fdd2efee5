"""AWS Lambda Powertools for Python: structured logs and metrics, as its documentation shows them, on our runtime
and on the vendor's client."""

import json

from vendored import bootstrap, function_files, python_packages, zipped

from lambda_checks import Checks, Functions, invoke, lambda_client, runtime_of

client = lambda_client()
checks = Checks()
RUNTIME = runtime_of("python")
VERSION = RUNTIME.removeprefix("python")
FILES = python_packages("powertools", VERSION) | function_files("tools_app.py")
CLIENT = python_packages("awslambdaric", VERSION) | bootstrap(f'python{VERSION} -m awslambdaric "$_HANDLER"')
PACKAGES = {RUNTIME: zipped(FILES), "provided.al2023": zipped(FILES, CLIENT)}


def objects(log):
    """The JSON lines of a log."""
    return [json.loads(line) for line in log.splitlines() if line.startswith("{")]


def pays(functions, runtime):
    settings = {"MemorySize": 256, "Timeout": 20, "Environment": {"Variables": {"POWERTOOLS_DEV": "false"}}}
    label = "tools-" + runtime.replace(".", "-")
    name = functions.make(label, PACKAGES[runtime], "tools_app.handler", runtime, **settings)
    answer = invoke(client, name, {"order": 7, "headers": {"my_id": "c-1"}})
    checks.equal(f"{runtime}: answer", (answer.error, answer.payload), (None, {"paid": 7}))
    found = objects(answer.log)
    records = [record for record in found if record.get("message") == "collecting payment"]
    fields = {
        "level": "INFO",
        "service": "payments",
        "cold_start": True,
        "order": 7,
        "correlation_id": "c-1",
        "function_name": name,
        "function_memory_size": "256",
        "function_arn": client.get_function_configuration(FunctionName=name)["FunctionArn"],
        "function_request_id": answer.request_id,
    }
    checks.equal(f"{runtime}: one record of it", len(records), 1)
    checks.includes(f"{runtime}: record", records[0] if records else None, fields)
    trace = (records[0] if records else {}).get("xray_trace_id")
    checks.matches(f"{runtime}: trace", trace, r"1-[0-9a-f]{8}-[0-9a-f]{24}")
    events = [record for record in found if (record.get("message") or {}) == {"order": 7, "headers": {"my_id": "c-1"}}]
    checks.equal(f"{runtime}: the event is logged once", len(events), 1)
    metrics = [record for record in found if "_aws" in record]
    checks.equal(f"{runtime}: metrics of the cold start and of the order", len(metrics), 2)
    payments = next((record for record in metrics if "Payments" in record), {})
    checks.includes(f"{runtime}: metric", payments, {"Payments": [2.0], "service": "payments", "kind": "test"})
    space = payments.get("_aws", {}).get("CloudWatchMetrics", [{}])[0].get("Namespace")
    checks.equal(f"{runtime}: namespace", space, "Shop")

    warm = invoke(client, name, {"order": 8, "headers": {}})
    record = next((record for record in objects(warm.log) if record.get("order") == 8), {})
    checks.includes(f"{runtime}: warm record", record, {"cold_start": False})

    failed = invoke(client, name, {"order": -1, "headers": {}})
    checks.equal(f"{runtime}: refused", (failed.error, failed.payload.get("errorType")), ("Unhandled", "ValueError"))
    record = next((record for record in objects(failed.log) if record.get("message") == "refused"), {})
    checks.includes(f"{runtime}: exception record", record, {"level": "ERROR", "exception_name": "ValueError"})
    checks.holds(f"{runtime}: with its stack", "tools_app.py" in record.get("exception", ""), record, "a stack trace")


with Functions(client) as functions:
    for runtime in PACKAGES:
        with checks.part(runtime):
            pays(functions, runtime)
checks.finish()
