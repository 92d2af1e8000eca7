"""Every store can hold rotated secrets: the same commands on OpenBao, AWS as moto plays it, and encrypted files."""

from __future__ import annotations

import pytest

from tests.cli.site import Site

STORES = {
    "vault": "{vault: {mount: kv}}",
    "aws": "{aws: {prefix: genesis/}}",
    "files": "{files: {path: .secrets, slots: [{passphrase: {from: env:STORE_PASSPHRASE}, kdf: pbkdf2}]}}",
}
DOCUMENTS = """
kind: secret
name: api_keys/internal
spec: {type: api_key, generate: {length: 40}, rotation: keys}
---
kind: rotation_policy
name: keys
spec: {interval_days: 30, overlap_hours: 1}
"""


@pytest.mark.parametrize("store", STORES)
def test_a_secret_is_made_rotated_and_shown_in_every_store(site: Site, moto: str, store: str) -> None:
    site.environ |= {"AWS_ENDPOINT_URL": moto, "STORE_PASSPHRASE": "correct-horse-" + "battery-staple"}
    site.write(
        "desired-state/environments/dev.yaml", f"project: genesis\naws: {{primary: {{region: us-east-1}}}}\nstores: {STORES[store]}\n"
    )
    site.write("desired-state/keys.yaml", DOCUMENTS)
    site.commit()
    site.apply()
    first = value(site)
    assert len(first) == 40
    ran = site.run("rotate", "--secret-path", "api_keys/internal")
    assert ran.code == 0, ran.out + ran.err
    second = value(site)
    assert second != first
    ran = site.run("rotate", "--secret-path", "api_keys/internal", "--emergency", "--leaked", "all")
    assert ran.code == 0, ran.out + ran.err
    assert value(site) not in (first, second)
    row = site.run("rotate", "status", "-o", "json").json[0]
    assert (row["store"], row["phase"], row["failures"]) == (store, "IDLE", 0)
    listed = site.run("secret", "list").out
    assert "api_keys/internal" in listed
    assert "_rotation" not in listed


def value(site: Site) -> str:
    ran = site.run("secret", "get", "api_keys/internal", "-o", "json")
    assert ran.code == 0, ran.err
    return str(ran.json["value"])
