"""How cost grows: requests, seconds and bytes an object, in places where one of them decides.

Run by `make bench` after the ratios; `python -m tests.bench.scale --large` adds 100,000 objects, which takes minutes.
"""

from __future__ import annotations

import argparse
import http.client
import re
import subprocess
import sys
import tempfile
import threading
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

RECONCILE = str(Path(sys.executable).with_name("reconcile"))
CONNECTIONS = 32
ROUND_TRIP_SECONDS = 0.02
_REQUESTS = re.compile(r"([\d,]+) requests")


class Cost(NamedTuple):
    """What one command took."""

    what: str
    seconds: float
    requests: int
    megabytes: float
    remark: str = ""

    def __str__(self) -> str:
        return f"{self.what:<46} {self.seconds:>8.2f} s {self.requests:>9,} requests {self.megabytes:>6.0f} MB  {self.remark}"


class Place(NamedTuple):
    """A repository, and the environment that commands run in."""

    repo: Path
    environ: dict[str, str]

    def run(self, what: str, *arguments: str, remark: str = "") -> Cost:
        measured = measure([RECONCILE, *arguments], self.environ, self.repo)
        if measured.code:
            sys.exit(f"{what} ended with {measured.code}:\n{measured.output[-2000:]}")
        return Cost(what, measured.seconds, _requests(measured), measured.megabytes, remark)


def _requests(measured: Measured) -> int:
    found = _REQUESTS.search(measured.output)
    return int(found[1].replace(",", "")) if found else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.scale")
    parser.add_argument("--large", action="store_true", help="also 100,000 objects")
    sizes = (10_000, 100_000) if parser.parse_args().large else (10_000,)
    with tempfile.TemporaryDirectory(prefix="reconcile-scale-") as name:
        for cost in costs(Path(name), sizes):
            print(cost, flush=True)
    return 0


def costs(folder: Path, sizes: Sequence[int]) -> Iterator[Cost]:
    for size in sizes:
        with start_bao_dev(folder / f"bao-{size}") as server:
            yield from many(folder / str(size), server, size)
    with start_bao_dev(folder / "bao-namespaces") as server:
        yield from namespaces(folder / "namespaces", server, 200)
    with start_moto(folder / "moto") as server:
        yield from aws(folder / "aws", server, 1_000, 400)


def many(folder: Path, server: Server, size: int) -> Iterator[Cost]:
    """Objects of a kind with a bulk route and of one without; beside a bare loop over the latter; then from far away."""
    repo = repository(folder / "repo", size // 2, size // 2)
    place = Place(repo, clean_environment(folder, VAULT_ADDR=server.address, VAULT_TOKEN=server.token, RECONCILE_ENV="bench"))
    yield place.run(f"{size:,} objects: first apply", "apply", "--yes")
    bare = bare_loop(server, size // 2)
    plan = place.run(f"{size:,} objects: empty plan", "plan")
    small = f"{(plan.megabytes - 45) * 1e6 / size:,.0f} B an object" if size > 10_000 else ""
    yield plan._replace(remark=f"{plan.seconds / bare:.1f} times a bare GET loop of {bare:.2f} s  {small}".rstrip())
    (repo / "desired-state" / "one.yaml").write_text("kind: vault.policy\nname: one\nspec: {rules: [{path: a, capabilities: [read]}]}\n")
    committed(repo, "One more")
    yield place.run(f"{size:,} objects: plan of one change", "plan")
    yield place.run(f"{size:,} objects: apply of one change", "apply", "--yes")
    if size <= 10_000:
        with delayed(server.address, ROUND_TRIP_SECONDS) as address:
            far = Place(repo, {**place.environ, "VAULT_ADDR": address})
            yield far.run(f"{size:,} objects: empty plan, server 20 ms away", "plan")


def bare_loop(server: Server, count: int) -> float:
    """Seconds to GET every AppRole role over 32 kept-alive connections, doing nothing with the answers."""
    host = server.address.removeprefix("http://")
    local = threading.local()

    def get(number: int) -> None:
        if not hasattr(local, "connection"):
            local.connection = http.client.HTTPConnection(host)
        local.connection.request("GET", f"/v1/auth/approle/role/service-{number:05}", headers={"X-Vault-Token": server.token})
        local.connection.getresponse().read()

    began = time.perf_counter()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        for _ in pool.map(get, range(count)):
            pass
    return time.perf_counter() - began


def namespaces(folder: Path, server: Server, count: int) -> Iterator[Cost]:
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
    yield place.run(f"{count} namespaces: empty plan", "plan", remark=f"{3 * count} objects")


def aws(folder: Path, server: Server, secrets: int, roles: int) -> Iterator[Cost]:
    """Secrets and IAM roles; moto answers slowly, so requests count here."""
    trust = '{Version: "2012-10-17", Statement: [{Effect: Allow, Principal: {Service: ec2.amazonaws.com}, Action: "sts:AssumeRole"}]}'
    documents = [f"kind: aws.secret\nname: app/{number:05}\nspec: {{description: one of many}}\n" for number in range(secrets)]
    documents += [f"kind: aws.iam_role\nname: role-{number:05}\nspec: {{trust_policy: {trust}}}\n" for number in range(roles)]
    repo = _written(folder, documents, "vault: {}\naws: {primary: {region: us-east-1}}\nledger: {file: .ledger}")
    keys = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_EC2_METADATA_DISABLED": "true"}
    place = Place(repo, {**_environ(folder, server, "AWS_ENDPOINT_URL"), **keys})
    yield place.run(f"AWS, {secrets:,} secrets and {roles:,} roles: first apply", "apply", "--yes")
    yield place.run(f"AWS, {secrets:,} secrets and {roles:,} roles: empty plan", "plan")


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
