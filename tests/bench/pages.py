"""How soon a search over 10,000 objects is answered, by a real `reconcile serve` on OpenBao. `python -m tests.bench.pages [OBJECTS]`.

Always: right after the start, in a row, and while a run of somebody else is taken in; for an operator and for a person with few rights.
"""

from __future__ import annotations

import http.client
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from urllib.parse import urlencode

from tests.server.deployment import Deployment, Running, policy, until
from tests.server.test_serving import many
from tests.server.trial import trial

GOAL = 0.2  # seconds
SEARCHES = ("many", "many 77", "policy 9", "vault.policy/many-4242", "absent")
AFTER_RUN = 8.0  # seconds of searching after a run: longer than it takes to be taken in
RULES = """
path "reconciler/data/genesis/dev/head" { capabilities = ["read"] }
path "sys/policies/acl/many-1*" { capabilities = ["read"] }
"""


def search(server: Running, token: str, words: Sequence[str]) -> list[float]:
    """Seconds of each search, on one connection."""
    found = []
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)) as connection:
        for one in words:
            began = time.perf_counter()
            connection.request("GET", "/ui/resources?" + urlencode({"q": one}), headers={"X-Vault-Token": token})
            answer = connection.getresponse()
            assert (answer.status, b"found" in answer.read()) == (200, True)
            found.append(time.perf_counter() - began)
    return found


def after_a_run(server: Running, deployed: Deployment, token: str) -> list[float]:
    deployed.site.write("desired-state/p.yaml", policy("changed/*"))
    deployed.push()
    deployed.site.apply()
    until_then, found = time.monotonic() + AFTER_RUN, []
    while time.monotonic() < until_then:
        found += search(server, token, SEARCHES)
        time.sleep(0.1)  # a person's pace: the longest search counts, not how many
    return found


def measured(deployed: Deployment) -> dict[str, float]:
    """The longest of each sort, in seconds."""
    operator = deployed.environ["VAULT_TOKEN"]
    deployed.vault.write("sys/policies/acl/some", {"policy": RULES}, method="PUT")
    person = str(deployed.vault.write("auth/token/create", {"policies": ["some"]})["auth"]["client_token"])
    with deployed.serving() as server:
        until(lambda: server.ask("GET", "/health/ready")[0] == 200, "the server is ready")
        first = search(server, operator, ["many"])
        until(lambda: server.ask("GET", "/api/v1/status", {"X-Vault-Token": operator})[1]["events_open"] == 0, "the first looks end")
        return {
            "the first after the start": max(first),
            "an operator's": max(search(server, operator, SEARCHES)),
            "a person's with few rights": max(search(server, person, SEARCHES)),
            "while a run is taken in": max(after_a_run(server, deployed, operator)),
        }


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with trial() as deployed:
        deployed.site.write("desired-state/many.yaml", many(count, "one"))
        deployed.push()
        deployed.site.apply()
        deployed.site.git("-C", str(deployed.clone), "pull", "--quiet", "--ff-only")
        found = measured(deployed)
    for name, seconds in found.items():
        said = f"a search over {count:,} objects, {name}"
        print(f"{said:<64} {1000 * seconds:>8,.0f} {'ms':<10} {f'<= {1000 * GOAL:.0f}':>9}  {'ok' if seconds <= GOAL else 'MISSED'}")
    return 0 if max(found.values()) <= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
