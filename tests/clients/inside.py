"""The Runtime API, the Extensions API, the Telemetry API and the Logs API as the processes of an environment see
them: each scene of conformance/inside is a function whose runtime and extensions send the requests of the table.

What they saw comes back in the answer to a last invocation and is compared here. Names of tables on the command line
restrict the run to them.
"""

import concurrent.futures
import json
import pathlib
import re
import sys

from lambda_checks import SOURCES, Checks, Functions, invoke, lambda_client, package

TABLES = pathlib.Path(__file__).parents[2] / "conformance" / "inside"
PLAYER = (SOURCES / "table.py").read_text()

client = lambda_client()
checks = Checks()


def deploy(functions, label, scene):
    code = package({"bootstrap": PLAYER, "scene.json": json.dumps(scene)})
    settings = {"MemorySize": 512, "Timeout": 20} | scene.get("settings", {})
    extensions = {f"extensions/{name}": PLAYER for name in scene.get("extensions", {})}
    if extensions:
        settings["Layers"] = [functions.layer(label, package(extensions))]
    return functions.make(label, code, "the.handler", "provided.al2023", **settings)


def filled(value, variables):
    """`value` with ${variables}, also inside of lists and objects."""
    if isinstance(value, str):
        return re.sub(r"\$\{(\w+)\}", lambda found: variables.get(found[1], found[0]), value)
    if isinstance(value, list):
        return [filled(item, variables) for item in value]
    if isinstance(value, dict):
        return {name: filled(item, variables) for name, item in value.items()}
    return value


def agrees(seen, expected):
    """Whether a JSON value has all that is expected: `*` is anything but null, `-` is nothing."""
    if isinstance(expected, dict):
        if not isinstance(seen, dict):
            return False
        absent = {name for name, value in expected.items() if value == "-"}
        wanted = expected.keys() - absent
        return not absent & seen.keys() and all(name in seen and agrees(seen[name], expected[name]) for name in wanted)
    return seen is not None if expected == "*" else seen == expected


def check_step(label, step, seen, variables):
    """One request of a process: what it was answered."""
    if "expect" not in step:
        return
    if seen is None:
        checks.holds(label, False, "no answer", step["expect"])
        return
    expected = filled(step["expect"], variables | seen["variables"])
    shown = f"{seen['status']} {seen['body']}"
    held = seen["status"] == expected["status"] and agrees(seen["headers"], expected.get("headers", {}))
    held = held and ("text" not in expected or seen["body"] == expected["text"])
    if {"error", "message", "json"} & expected.keys():
        try:
            body = json.loads(seen["body"])
        except ValueError:
            body = None
        members = {"error": "errorType", "message": "errorMessage"}
        wanted = {to: expected[name] for name, to in members.items() if name in expected}
        held = held and (not wanted or agrees(body, wanted)) and ("json" not in expected or agrees(body, expected["json"]))
    checks.holds(label, held, f"{shown} {seen['headers'] if 'headers' in expected else ''}", str(expected))


def check_event(label, event, answer):
    """What the caller of an invocation got."""
    expected = event["expect"]
    held = answer.error == expected.get("error")
    held = held and ("json" not in expected or agrees(answer.payload, expected["json"]))
    held = held and ("text" not in expected or answer.raw.decode() == expected["text"])
    held = held and ("bytes" not in expected or len(answer.raw) == expected["bytes"])
    checks.holds(label, held, f"{answer.error} {answer.raw[:300]}", str(expected))


def play(functions, table, number, scene):
    label = f"{table}-{number}"
    name = deploy(functions, label, scene)
    where = f"{table}: {scene['name']}"
    for index, event in enumerate(scene["events"]):
        more = {"ClientContext": event["client_context"]} if "client_context" in event else {}
        check_event(f"{where}: caller {index + 1}", event, invoke(client, name, event["json"], **more))
    collected = invoke(client, name, {"collect": True})
    if collected.error or not isinstance(collected.payload, dict):
        checks.holds(f"{where}: collected", False, f"{collected.raw} {collected.log}", "what the processes saw")
        return
    arn = client.get_function_configuration(FunctionName=name)["FunctionArn"]
    variables = {"function": name, "arn": arn, "account": arn.split(":")[4]}
    processes = {"bootstrap": scene["runtime"]} | scene.get("extensions", {})
    for process, steps in processes.items():
        seen = {answer["index"]: answer for answer in collected.payload.get(process, [])}
        for index, step in enumerate(steps):
            if "request" in step and not step["request"].get("background"):
                check_step(f"{where}: {step['name']}", step, seen.get(index), variables)


def scenes():
    for path in sorted(TABLES.glob("*.json")):
        if len(sys.argv) < 2 or path.stem in sys.argv[1:]:
            table = json.loads(path.read_text())
            for number, scene in enumerate(table["scenes"], 1):
                yield path.stem, number, scene


def guarded(functions, table, number, scene):
    with checks.part(f"{table}: {scene['name']}"):
        play(functions, table, number, scene)


with Functions(client) as functions, concurrent.futures.ThreadPoolExecutor(4) as crowd:
    # Each has a function of its own, so they do not disturb each other.
    list(crowd.map(lambda scene: guarded(functions, *scene), scenes()))
checks.finish()
