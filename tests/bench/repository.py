"""A desired state of many objects: policies, and AppRole roles that name them."""

from __future__ import annotations

import subprocess
from pathlib import Path

FOLDERS = 50


def repository(folder: Path, policies: int, roles: int) -> Path:
    """Write and commit a repository whose environment `bench` is found through VAULT_ADDR."""
    desired = folder / "desired-state"
    (desired / "environments").mkdir(parents=True)
    (desired / "environments" / "bench.yaml").write_text("project: bench\nvault: {primary: {}}\nguards: {strict_references: true}\n")
    (desired / "mounts.yaml").write_text("kind: vault.auth_method\nname: approle\nspec: {type: approle}\n")
    for part in range(FOLDERS):
        documents = [policy(number) for number in range(part, policies, FOLDERS)]
        documents += [role(number, policies) for number in range(part, roles, FOLDERS)]
        (desired / f"team-{part:02}.yaml").write_text("---\n".join(documents))
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    committed(folder, "Bench")
    return folder


def committed(folder: Path, message: str) -> None:
    """Commit all that is there."""
    author = ("-c", "user.name=bench", "-c", "user.email=bench@localhost")
    for arguments in (("add", "-A"), (*author, "commit", "-qm", message)):
        subprocess.run(["git", *arguments], cwd=folder, check=True)


def policy(number: int) -> str:
    return f"""\
kind: vault.policy
name: service-{number:05}
spec:
  rules:
    - path: kv/data/service-{number:05}/*
      capabilities: [read, list]
    - path: kv/metadata/service-{number:05}/*
      capabilities: [list]
    - path: transit/encrypt/service-{number:05}
      capabilities: [update]
"""


def role(number: int, policies: int) -> str:
    return f"""\
kind: vault.approle_role
name: approle/service-{number:05}
spec:
  token_policies: [service-{number % policies:05}]
  token_ttl: 30m
  token_max_ttl: 4h
  secret_id_ttl: 30d
  token_bound_cidrs: [10.0.0.0/8]
"""
