"""Accounts and regions are apart: nothing of one is visible from another or can be touched from there, for every kind of
resource, by its name or by its ARN.

One neighbour is filled with everything; another, which has nothing, asks and writes about all of it by every operation.
"""

import os
import random
import re
import tempfile

from lambda_checks import Checks, runtime_of
from model.connection import Connection
from model.known import ACCOUNT
from model.run import OPERATIONS, Run, populate
from model.survey import READS, differences
from own_servers import OpenServer, OwnServer

SEED = int(os.environ.get("MODEL_SEED", "2015"))
#: Requests of the neighbour for each operation.
ATTEMPTS = 12
OTHER_ACCOUNT, OTHER_REGION = "111111111111", "eu-west-1"
MISSING = ("ResourceNotFoundException", "AccessDeniedException", "NotImplementedException", "ProvisionedConcurrencyConfigNotFoundException")

checks = Checks()
source = random.Random(SEED)


class Intruder(Run):
    """Has nothing at first, and speaks of what another has: of its names and, where it knows them, of its ARNs."""

    def __init__(self, owner, connection, account):
        super().__init__(connection, source, checks, RUNTIME, account)
        self.known.world = owner.world
        self.known.region, self.known.account = owner.world.region, owner.world.account


def apart(label, server, key_of, one, other):
    """Two scopes `(account, region)` on one server."""
    owner = Run(Connection(server.endpoint, key_of(one[0]), region=one[1]), source, checks, RUNTIME, one[0])
    # A layer that is open to all would rightly be seen.
    owner.known.surprise = 0
    owner.known.AddLayerVersionPermission_Principal = lambda: "123456789012"
    populate(owner)
    owner.report(f"{label}: the owner makes a little of everything")
    kinds = {kind for kind, _ in owner.world.answers}
    print(f"{label}: {len(owner.world.answers)} resources of {len(kinds)} kinds: {' '.join(sorted(kinds))}")
    before = owner.survey.whole()
    intruder = Intruder(owner, Connection(server.endpoint, key_of(other[0]), region=other[1]), other[0])
    invisible(label, owner, intruder)
    untouchable(label, owner, intruder, before)


def invisible(label, owner, intruder):
    """To one that has nothing, all lists are empty and every single resource is missing."""
    nothing = {kind: keys for kind, keys in intruder.survey.keys().items() if keys}
    checks.equal(f"{label}: lists are empty", nothing, {})
    seen = []
    for (kind, key), _ in owner.world.answers.items():
        if read := READS.get(kind):
            operation, values, _ = read(key)
            answer = intruder.ask(operation, values)
            if answer.status < 400 or answer.code not in MISSING:
                seen.append(f"{kind} {key}: {answer!r}")
    checks.equal(f"{label}: nothing can be read by name", seen[:5], [])
    name = sorted(owner.world.keys("function"))[0][0]
    arn = f"arn:aws:lambda:{owner.world.region}:{owner.world.account}:function:{name}"
    for operation, values in (
        ("GetFunction", {"FunctionName": arn}),
        ("Invoke", {"FunctionName": arn, "Payload": {}}),
        ("DeleteFunction", {"FunctionName": arn}),
        ("ListTags", {"Resource": arn}),
    ):
        answer = intruder.ask(operation, values)
        checks.holds(f"{label}: {operation} by ARN", answer.status in (403, 404, 501), answer, "403 or 404")


def untouchable(label, owner, intruder, before):
    """Whatever the intruder sends, the owner's resources stay as they are, and no answer shows them."""
    own = re.compile(
        rf"arn:aws:lambda:{owner.world.region}:{owner.world.account}:"
        r"(function|layer|code-signing-config|event-source-mapping|capacity-provider):"
    )
    for name in sorted(OPERATIONS):
        for _ in range(ATTEMPTS):
            values = intruder.values.input(OPERATIONS[name], 0.1)
            answer = intruder.ask(name, values)
            if answer.status < 300 and own.search(answer.body.decode(errors="replace")):
                intruder.fault(f"{name} shows what is another's", f"{values} answered {answer!r}")
    intruder.report(f"{label}: no answer shows what is another's")
    owner.settle()
    checks.equal(f"{label}: the owner's resources are as before", differences(before, owner.survey.whole()), [])


RUNTIME = runtime_of("python")
with tempfile.TemporaryDirectory() as folder, OwnServer(folder) as own_server:
    with checks.part("regions"):
        root = lambda account: None
        apart("regions", own_server, root, (ACCOUNT, "us-east-1"), (ACCOUNT, OTHER_REGION))
with tempfile.TemporaryDirectory() as folder, OpenServer(folder) as open_server:
    with checks.part("accounts"):
        apart("accounts", open_server, str, (ACCOUNT, "us-east-1"), (OTHER_ACCOUNT, "us-east-1"))
    with checks.part("both"):
        apart("both", open_server, str, ("222222222222", "us-east-1"), (OTHER_ACCOUNT, "eu-north-1"))
checks.finish()
