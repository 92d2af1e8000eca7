"""Secrets with real targets: a Vault's keys and certificates, KMS, a partner's command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reconciler.backends.aws.client import AwsClient
from reconciler.backends.vault.client import VaultClient
from reconciler.rotation.build import Means, strategy_of, validation_of
from reconciler.rotation.outside import Surroundings
from reconciler.rotation.policy import PolicySpec, SecretSpec
from reconciler.rotation.strategy import Call
from reconciler.secrets.store import SecretStore
from tests.rotation.rig import Rig

AT_ONCE = PolicySpec(interval_days=30, overlap_hours=0, consumer_cache=0)
CALL = Call("", "", 0)


class Instances:
    """One Vault and one AWS."""

    def __init__(self, vault: VaultClient, aws: AwsClient | None = None) -> None:
        self._vault, self._aws = vault, aws

    def vault(self, instance: str) -> VaultClient:
        return self._vault

    def aws(self, instance: str) -> AwsClient:
        assert self._aws is not None
        return self._aws


def rig(store: SecretStore, vault: VaultClient, spec: dict[str, Any], folder: Path = Path(), aws: AwsClient | None = None) -> Rig:
    declared = SecretSpec.model_validate(spec)
    around = Surroundings(folder, {"PATH": "/usr/bin:/bin"})
    means = Means(Instances(vault, aws), lambda source: f"token-of-{source.origin}", around)
    strategy = strategy_of("x/y", declared, store, means)
    return Rig(store, strategy, declared, AT_ONCE, validate=validation_of("x/y", declared, strategy, around), path="x/y")


def certificate(role: str = "web") -> dict[str, Any]:
    return {
        "type": "tls_certificate",
        "target": {"mount": "pki", "role": role, "common_name": "www.example.com", "alt_names": ["api.example.com"]},
    }


SCRIPT = """#!/usr/bin/env python3
import json, pathlib, sys
told = json.load(sys.stdin)
file = pathlib.Path("good.json")
good = json.loads(file.read_text()) if file.exists() else []
with open("calls.log", "a") as log:
    log.write(json.dumps([sys.argv[1:], sorted(told), told["fence"]]) + "\\n")
value = told["value"]["value"]
if sys.argv[1] == "apply":
    good.append(value)
elif sys.argv[1] == "revoke":
    good = [one for one in good if one != value]
elif value not in good:
    sys.exit(1)
file.write_text(json.dumps(good))
"""


def external(**more: Any) -> dict[str, Any]:
    return {"type": "external", "generate": {"length": 40}, "target": {"command": ["./partner-key"]}, **more}
