"""A deployment outside of tests, on an OpenBao of its own: for what is measured and what is drawn for the documents."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from reconciler.backends.vault.client import connect
from reconciler.backends.vault.connection import Connection
from reconciler.backends.vault.transport import Transport
from reconciler.dev.process import ask, clean_environment
from reconciler.dev.servers import start_bao_dev
from tests.cli.site import Site
from tests.server.deployment import Deployment


@contextmanager
def trial(**environ: str) -> Iterator[Deployment]:
    with tempfile.TemporaryDirectory(prefix="reconcile-trial-") as name, start_bao_dev(Path(name, "bao")) as bao:
        folder, namespace = Path(name), f"trial-{uuid.uuid4().hex[:8]}"
        assert ask(bao.address, "POST", f"/v1/sys/namespaces/{namespace}", token=bao.token, body={})[0] == 200
        people = {f"GIT_{role}_{what}": "trial@example.com" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        vault = {"VAULT_ADDR": bao.address, "VAULT_TOKEN": bao.token, "VAULT_NAMESPACE": namespace}
        site = Site(folder / "repo", clean_environment(folder, **vault, **people, **environ), namespace)
        site.repo.mkdir()
        site.git("init", "--quiet", "--initial-branch=main", ".")
        with closing(connect(Transport(Connection(bao.address, namespace)), bao.token)) as client:
            yield Deployment(folder, site, client)
