"""`python -m tests.bench.compliance`: all checks over 10,000 resources and secrets, and 20,000 entries of the audit log."""

from __future__ import annotations

import sys
import time
from dataclasses import replace

from reconciler.compliance.assess import assess
from reconciler.compliance.checks import OFFLINE
from reconciler.compliance.evidence import Evidence, Part
from reconciler.compliance.seen import Kept, Known, LiveKey, Read, Reads, Stock
from tests.bench.results import Result
from tests.compliance.stand import DAY, ELSEWHERE, GOOD, NOW, ROWS, SECRET, STANDING, resource, row

ENTRIES = 20_000
GOAL = 2  # seconds of work


def main() -> int:
    evidence = large()
    began = time.process_time()
    assess(evidence)
    whole = time.process_time() - began
    assess(evidence, OFFLINE)
    part = time.process_time() - began - whole
    count = len(evidence.resources) + len(evidence.secrets)
    results = [
        Result("compliance: all checks", whole, "s CPU", GOAL, detail=f"{count:,} resources, {ENTRIES:,} entries"),
        Result("compliance: offline checks", part, "s CPU", GOAL / 2, detail=f"{count:,} resources"),
    ]
    print("\n".join(map(str, results)))
    return 0 if all(one.met for one in results) else 1


def large() -> Evidence:
    """Evidence in which nothing is wrong, at its usual size."""
    rules = [{"path": f"genesis/data/team/{part}/*", "capabilities": ["read", "list"]} for part in range(3)]
    declared = [resource(f"vault.policy/p{number}", rules=rules) for number in range(3000)]
    login = {"token_ttl": 3600, "token_max_ttl": 7200}
    declared += [resource(f"vault.approle_role/approle/r{number}", token_policies=[f"p{number}"], **login) for number in range(2000)]
    declared += [resource(f"vault.transit_key/transit/k{number}", auto_rotate_period="30d") for number in range(1000)]
    declared += [resource(f"vault.pki_role/pki/w{number}", key_type="ec", key_bits=256, max_ttl="30d") for number in range(1000)]
    secrets = tuple(SECRET._replace(address=f"secret/s{number}", path=f"s{number}") for number in range(3000))
    versions = (Kept("3", NOW - 3 * DAY, True), Kept("2", NOW - 40 * DAY, True))
    resources = dict(declared)
    keys = [str(address) for address in resources if address.kind == "vault.transit_key"]
    return replace(
        GOOD,
        resources=resources,
        secrets=secrets,
        inventory=Part(tuple(Known(str(address), declared=True, there=True, origin=ELSEWHERE) for address in resources)),
        stock=Part(tuple(Stock("vault", one.path, versions) for one in secrets)),
        standings=Part(tuple(STANDING._replace(path=one.path) for one in secrets)),
        access=Part(tuple((address, one.spec) for address, one in declared if address.kind.startswith(("vault.policy", "vault.approle")))),
        keys=Part(tuple(LiveKey(name, {1: NOW - 20 * DAY}, 1, exportable=False, deletable=False) for name in keys)),
        rows=Part((*(row(n, "rotation.promote", f"s{n}", fp=f"{n:016x}") for n in range(ENTRIES)), *ROWS)),
        entries=Read(ENTRIES),
        reads=Part((Reads("vault", NOW - 400 * DAY, {one.path: NOW - DAY for one in secrets}),)),
    )


if __name__ == "__main__":
    sys.exit(main())
