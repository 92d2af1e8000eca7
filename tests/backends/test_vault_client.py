"""What VaultClient says and understands, on a real OpenBao."""

from __future__ import annotations

from reconciler.backends.vault.client import VaultClient


def test_a_namespace_that_is_not_there_is_known_to_be_empty(vault: VaultClient) -> None:
    absent = vault.at("nowhere")
    assert absent.mounts() == {}
    assert absent.list("sys/policies/acl") is None
    assert absent.read("sys/policies/acl/x") is None
    assert dict(absent.read_many(["a/b", "c/d"])) == {"a/b": None, "c/d": None}
