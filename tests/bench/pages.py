"""How soon a search over 10,000 objects is answered, by a real `reconcile serve` on OpenBao. `python -m tests.bench.pages [OBJECTS]`."""

from __future__ import annotations

import http.client
import sys
import time
from urllib.parse import urlencode

from tests.server.deployment import Deployment, until
from tests.server.test_serving import many
from tests.server.trial import trial

GOAL = 0.2  # seconds
SEARCHES = ("many", "many 77", "policy 9", "vault.policy/many-4242", "absent")


def seconds(deployed: Deployment) -> list[float]:
    """Seconds of the first search, which reads the ledger, and of the others."""
    token = {"X-Vault-Token": deployed.environ["VAULT_TOKEN"]}
    found = []
    with deployed.serving() as server:
        until(lambda: server.ask("GET", "/health/ready")[0] == 200, "the server is ready")
        until(lambda: server.ask("GET", "/api/v1/status", token)[1]["events_open"] == 0, "the first looks end")
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        for words in ("many", *SEARCHES):
            began = time.perf_counter()
            connection.request("GET", "/ui/resources?" + urlencode({"q": words}), headers=token)
            answer = connection.getresponse()
            assert (answer.status, b"found" in answer.read()) == (200, True)
            found.append(time.perf_counter() - began)
        connection.close()
    return found


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with trial() as deployed:
        deployed.site.write("desired-state/many.yaml", many(count, "one"))
        deployed.push()
        deployed.site.apply()
        deployed.site.git("-C", str(deployed.clone), "pull", "--quiet", "--ff-only")
        first, *others = seconds(deployed)
    most = max(others)
    detail = f"the first after a run, which reads the ledger: {1000 * first:,.0f} ms"
    name = f"a page of a search over {count:,} objects"
    print(f"{name:<44} {1000 * most:>8,.0f} {'ms':<10} {f'<= {1000 * GOAL:.0f}':>9}  {'ok' if most <= GOAL else 'MISSED':<7} {detail}")
    return 0 if most <= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
