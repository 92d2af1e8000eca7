"""The yardstick: the same objects read one by one with hvac in 16 threads, as a script of a good engineer would."""

from __future__ import annotations

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import hvac

THREADS = 16


def main(address: str, token: str) -> None:
    local = threading.local()

    def client() -> hvac.Client:
        if not hasattr(local, "client"):
            local.client = hvac.Client(address, token)
        return local.client

    def policy(name: str) -> None:
        client().sys.read_acl_policy(name)

    def role(name: str) -> None:
        client().auth.approle.read_role(name)

    began = time.perf_counter()
    policies = client().sys.list_acl_policies()["data"]["keys"]
    roles = client().auth.approle.list_roles()["data"]["keys"]
    with ThreadPoolExecutor(THREADS) as pool:
        for _ in pool.map(policy, [name for name in policies if name != "root"]):
            pass
        for _ in pool.map(role, roles):
            pass
    print(time.perf_counter() - began)


if __name__ == "__main__":
    main(*sys.argv[1:])
