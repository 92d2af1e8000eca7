"""One login and one pool of connections an instance, made on first use."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from reconciler.core.address import Place
from reconciler.core.auth import Auth
from reconciler.core.errors import Usage

if TYPE_CHECKING:
    from reconciler.backends.aws.client import AwsClient
    from reconciler.backends.vault.client import VaultClient
    from reconciler.desired.environments import Environment

Gate = Callable[[float], None]

HASTY_SECONDS = 5.0  # for an answer, where whoever waits for it gives up sooner


class Gates:
    """The gate of a lease, which is taken after the clients were made: until then nothing may be written."""

    def __init__(self) -> None:
        self._gate: Gate | None = None

    def __call__(self, timeout: float) -> None:
        if self._gate is None:
            raise AssertionError("a write without a lease is a mistake in the program")
        self._gate(timeout)

    def open(self, gate: Gate) -> None:
        self._gate = gate


class ClientPool:
    """The clients of one run. `purpose` is `plan` or `apply`: each may have a login of its own.

    `administrator`: with the token at hand instead of a declared login. `from_root`: places count from the server's root.
    `hasty`: what fails is not sent again: the caller has somebody else to ask.
    """

    def __init__(
        self,
        environment: Environment,
        purpose: str,
        environ: Mapping[str, str],
        marks: Mapping[str, str],
        gate: Gate,
        *,
        administrator: bool = False,
        from_root: bool = False,
        hasty: bool = False,
    ) -> None:
        self._environment = environment
        self._purpose = purpose
        self._environ = environ
        self._marks = marks if purpose == "apply" else {}
        self.run = marks.get("reconciler_run") or secrets.token_hex(6)
        self._gate = gate
        self._administrator = administrator
        self._from_root = from_root
        self._hasty = hasty
        self._lock = threading.Lock()
        self._vault: dict[str, VaultClient] = {}
        self._aws: dict[str, AwsClient] = {}
        self._free: dict[str, AwsClient] = {}
        self._open = ExitStack()

    @property
    def environment(self) -> Environment:
        return self._environment

    @property
    def administrator(self) -> bool:
        """Whether these clients have the token at hand instead of a declared login."""
        return self._administrator

    def has(self, backend: str, instance: str) -> bool:
        """Whether the environment declares the instance."""
        return backend not in ("vault", "aws") or instance in getattr(self._environment, backend)

    def client(self, backend: str, place: Place) -> Any:
        """The client of a place. Raises Usage where the environment lacks the instance."""
        if backend == "vault":
            return self.vault(place.instance).at(place.namespace)
        return self.aws(place.instance)

    def vault(self, instance: str, *, gated: bool = True) -> VaultClient:
        """The client of a Vault instance's own namespace. Not `gated`: for the ledger and its lock, which have CAS."""
        with self._lock:
            if instance not in self._vault:
                self._vault[instance] = self._connect(instance)
            return self._vault[instance].gated(self._gate) if gated else self._vault[instance]

    def _connect(self, instance: str) -> VaultClient:
        from reconciler.backends.vault.client import connect
        from reconciler.backends.vault.connection import connection_from
        from reconciler.backends.vault.login import Login
        from reconciler.backends.vault.transport import Transport

        declared = self._environment.vault.get(instance)
        if declared is None:
            raise Usage(f"the environment {self._environment.name} declares no vault instance {instance}")
        connection = connection_from(self._environ, declared.address, declared.namespace or None)._replace(run=self.run)
        connection = connection._replace(namespace="") if self._from_root else connection
        hasty = partial(Transport, retry_seconds=0.0, read_seconds=HASTY_SECONDS, write_seconds=HASTY_SECONDS)
        transport = (hasty if self._hasty else Transport)(connection)
        auth = Auth() if self._administrator else getattr(declared.auth, self._purpose)
        login = Login(transport, auth, self._environ, marks=self._marks)
        # A service outlives its token; a run does not: who revokes the token of a run means to stop it.
        client = connect(transport, login.token, refused=login.forget) if self._hasty else connect(transport, login.token)
        self._open.callback(client.close)
        self._open.callback(login.close)
        return client

    def aws(self, instance: str, *, gated: bool = True) -> AwsClient:
        """The client of an AWS instance."""
        with self._lock:
            if instance not in self._aws:
                from reconciler.backends.aws.client import AwsClient

                declared = self._environment.aws.get(instance)
                if declared is None:
                    raise Usage(f"the environment {self._environment.name} declares no aws instance {instance}")
                make = partial(AwsClient, declared.region, role_arn=declared.role_arn, endpoint_url=declared.endpoint)
                make = partial(make, attempts=1) if self._hasty else make
                self._aws[instance], self._free[instance] = make(gate=self._gate), make()
            return self._aws[instance] if gated else self._free[instance]

    @property
    def requests(self) -> int:
        aws = sum(client.requests for client in (*self._aws.values(), *self._free.values()))
        return aws + sum(client.requests for client in self._vault.values())

    def about(self) -> str:
        """The instances that were used, for the head of a plan."""
        names = {"openbao": "OpenBao", "vault": "Vault"}
        vaults = [f"vault {name} ({names[client.dialect]} {client.version})" for name, client in sorted(self._vault.items())]
        return ", ".join([*vaults, *(f"aws {name} ({client.region})" for name, client in sorted(self._aws.items()))])

    def close(self) -> None:
        """End logins and connections."""
        self._open.close()
