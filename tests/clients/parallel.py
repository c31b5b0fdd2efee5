"""Fifty invokes at once of a function that sleeps one second: first from nothing, then into warm environments.

The bounds are for a machine with two cores that has other work as well, load generator included: one that made
environments one after the other, or let one caller wait for another, would need fifty seconds.
"""

import concurrent.futures
import time

from lambda_checks import Checks, Functions, invoke, lambda_client, package, runtime_of, sources

COUNT = 50
COLD_SECONDS_MAX = 3.5
WARM_SECONDS_MAX = 1.6

client = lambda_client(max_pool_connections=COUNT)
checks = Checks()


def round_of(pool, name):
    began = time.monotonic()
    answers = list(pool.map(lambda _: invoke(client, name, {"seconds": 1}), range(COUNT)))
    return time.monotonic() - began, answers


with Functions(client) as functions, concurrent.futures.ThreadPoolExecutor(COUNT) as pool:
    settings = {"Timeout": 10}
    name = functions.make("sleeps", package(sources("echo.py")), "echo.sleeps", runtime_of("python"), **settings)
    for label, limit in (("cold", COLD_SECONDS_MAX), ("warm", WARM_SECONDS_MAX)):
        with checks.part(label):
            seconds, answers = round_of(pool, name)
            print(f"{label}: {COUNT} invokes of a 1 s function took {seconds:.2f} s")
            good = [answer for answer in answers if (answer.error, answer.payload) == (None, "rested")]
            checks.equal(f"{label}: all answered", len(good), COUNT)
            checks.equal(f"{label}: each has an id of its own", len({a.request_id for a in answers}), COUNT)
            checks.holds(f"{label}: time", 1.0 <= seconds <= limit, f"{seconds:.2f} s", f"1 to {limit} s")
            # An environment that is free again may serve another caller before all have started.
            starts = sum("Init Duration" in answer.log for answer in answers)
            print(f"{label}: {starts} of them in new environments")
checks.finish()
