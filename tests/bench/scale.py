"""How cost grows: requests, seconds and bytes an object, in places where one of them decides.

Run by `make bench` after the ratios, for some ten minutes; `python -m tests.bench.scale --quick` is a look at less.
The law that it shows: a plan sends one request for each object of a kind without a bulk route, and pages beside that.
"""

from __future__ import annotations

import argparse
import http.client
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from reconciler.dev.process import clean_environment
from reconciler.dev.servers import Server, start_bao_dev, start_moto

from .delay import delayed
from .measure import Measured, measure
from .repository import committed, repository
from .results import Cost, Result

RECONCILE = str(Path(sys.executable).with_name("reconcile"))
CONNECTIONS = 32
ROUND_TRIP_SECONDS = 0.02
EMPTY_PLAN = "empty plan"
_REQUESTS = re.compile(r"([\d,]+) requests")


class Place(NamedTuple):
    """A repository, and the environment that commands run in."""

    repo: Path
    environ: dict[str, str]

    def run(self, what: str, *arguments: str) -> Cost:
        measured = measure([RECONCILE, *arguments], self.environ, self.repo)
        if measured.code:
            sys.exit(f"{what} ended with {measured.code}:\n{measured.output[-2000:]}")
        return Cost(what, measured.seconds, measured.cpu, _requests(measured), measured.megabytes)


def _requests(measured: Measured) -> int:
    found = _REQUESTS.search(measured.output)
    return int(found[1].replace(",", "")) if found else 0


class Size(NamedTuple):
    objects: tuple[int, ...]
    secrets: int
    roles: int


FULL, QUICK = Size((10_000, 100_000), 5_000, 2_000), Size((2_000, 10_000), 200, 100)
Lines = Iterator[Cost | Result]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.scale")
    parser.add_argument("--quick", action="store_true", help="a tenth and less of everything")
    size = QUICK if parser.parse_args().quick else FULL
    met = True
    with tempfile.TemporaryDirectory(prefix="reconcile-scale-") as name:
        for line in lines(Path(name), size):
            print(line, flush=True)
            met &= not isinstance(line, Result) or line.met
    return 0 if met else 1


def lines(folder: Path, size: Size) -> Lines:
    megabytes = {}
    for objects in size.objects:
        with start_bao_dev(folder / f"bao-{objects}") as server:
            for line in many(folder / str(objects), server, objects, far=objects == size.objects[0]):
                if isinstance(line, Cost) and line.what.endswith(EMPTY_PLAN):
                    megabytes[objects] = line.megabytes
                yield line
    few, most = size.objects
    # The difference: what the interpreter and the libraries take is no object's.
    each = (megabytes[most] - megabytes[few]) * 2**20 / (most - few)
    yield Result(f"memory an object, from {few:,} to {most:,}", each, "bytes", 4_000)
    with start_bao_dev(folder / "bao-namespaces") as server:
        yield from namespaces(folder / "namespaces", server, 200)
    with start_moto(folder / "moto") as server:
        yield from aws(folder / "aws", server, size.secrets, size.roles)


def many(folder: Path, server: Server, size: int, *, far: bool) -> Lines:
    """Objects of a kind with a bulk route and of one without; beside a bare loop over the latter; then from far away."""
    repo = repository(folder / "repo", size // 2, size // 2)
    place = Place(repo, clean_environment(folder, VAULT_ADDR=server.address, VAULT_TOKEN=server.token, RECONCILE_ENV="bench"))
    yield place.run(f"{size:,} objects: first apply", "apply", "--yes")
    bare = bare_loop(server, size // 2)
    plan = place.run(f"{size:,} objects: {EMPTY_PLAN}", "plan")
    yield plan
    detail = f"{plan.seconds:.2f} s / {bare:.2f} s"
    yield Result(f"{size:,} objects: plan / bare GETs of half in {CONNECTIONS} connections", plan.seconds / bare, "times", 3, detail=detail)
    beside = (plan.requests - size // 2) / size * 1_000
    yield Result(f"{size:,} objects: requests beside one a role, a 1,000 objects", beside, "requests", 20_000 / size + 2)
    (repo / "desired-state" / "one.yaml").write_text("kind: vault.policy\nname: one\nspec: {rules: [{path: a, capabilities: [read]}]}\n")
    committed(repo, "One more")
    yield place.run(f"{size:,} objects: plan of one change", "plan")
    yield place.run(f"{size:,} objects: plan --changed-since of one change", "plan", "--changed-since", "HEAD~1")
    yield place.run(f"{size:,} objects: apply of one change", "apply", "--yes")
    if far:
        with delayed(server.address, ROUND_TRIP_SECONDS) as address:
            distant = Place(repo, {**place.environ, "VAULT_ADDR": address})
            yield distant.run(f"{size:,} objects: empty plan, server 20 ms away", "plan")


def bare_loop(server: Server, count: int) -> float:
    """Seconds to GET every AppRole role over 32 kept-alive connections, doing nothing with the answers."""
    host = server.address.removeprefix("http://")

    def get(first: int) -> None:
        connection = http.client.HTTPConnection(host)
        for number in range(first, count, CONNECTIONS):
            connection.request("GET", f"/v1/auth/approle/role/service-{number:05}", headers={"X-Vault-Token": server.token})
            connection.getresponse().read()
        connection.close()

    began = time.perf_counter()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(get, range(CONNECTIONS)))
    return time.perf_counter() - began


def namespaces(folder: Path, server: Server, count: int) -> Lines:
    """Many namespaces with a few objects each."""
    documents = []
    for number in range(count):
        name = f"team-{number:03}"
        documents.append(f"kind: vault.namespace\nname: {name}\n")
        documents.append(
            f"kind: vault.policy\nname: reader\nnamespace: {name}\nspec: {{rules: [{{path: kv/data/*, capabilities: [read]}}]}}\n"
        )
        documents.append(f"kind: vault.secrets_engine\nname: kv\nnamespace: {name}\nspec: {{type: kv-v2}}\n")
    place = Place(_written(folder, documents, "vault: {primary: {}}"), _environ(folder, server, "VAULT_ADDR"))
    yield place.run(f"{count} namespaces: first apply", "apply", "--yes")
    plan = place.run(f"{count} namespaces of three objects: {EMPTY_PLAN}", "plan")
    yield plan
    yield Result("requests a namespace with a policy and a mount", plan.requests / count, "requests", 3)


def aws(folder: Path, server: Server, secrets: int, roles: int) -> Lines:
    """Secrets and IAM roles; moto answers slowly, so requests count here.

    Two requests a secret: one tells of it and its replicas, since the list lags by minutes, and one of its policy.
    """
    trust = '{Version: "2012-10-17", Statement: [{Effect: Allow, Principal: {Service: ec2.amazonaws.com}, Action: "sts:AssumeRole"}]}'
    documents = [f"kind: aws.secret\nname: app/{number:05}\nspec: {{description: one of many}}\n" for number in range(secrets)]
    documents += [f"kind: aws.iam_role\nname: role-{number:05}\nspec: {{trust_policy: {trust}}}\n" for number in range(roles)]
    repo = _written(folder, documents, "vault: {}\naws: {primary: {region: us-east-1}}\nledger: {file: .ledger}")
    keys = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_EC2_METADATA_DISABLED": "true"}
    place = Place(repo, {**_environ(folder, server, "AWS_ENDPOINT_URL"), **keys})
    yield place.run(f"AWS, {secrets:,} secrets and {roles:,} roles: first apply", "apply", "--yes")
    plan = place.run(f"AWS, {secrets:,} secrets and {roles:,} roles: {EMPTY_PLAN}", "plan")
    yield plan
    pages = secrets // 100 + roles // 50 + 10
    yield Result("AWS: requests beside two a secret", plan.requests - 2 * secrets, "requests", pages)


def _environ(folder: Path, server: Server, variable: str) -> dict[str, str]:
    return clean_environment(folder, **{variable: server.address, "VAULT_TOKEN": server.token, "RECONCILE_ENV": "bench"})


def _written(folder: Path, documents: Sequence[str], environment: str) -> Path:
    desired = folder / "repo" / "desired-state"
    (desired / "environments").mkdir(parents=True)
    (desired / "environments" / "bench.yaml").write_text(f"project: bench\n{environment}\n")
    (desired / "all.yaml").write_text("---\n".join(documents))
    subprocess.run(["git", "init", "-q"], cwd=folder / "repo", check=True)
    committed(folder / "repo", "Bench")
    return folder / "repo"


if __name__ == "__main__":
    sys.exit(main())
