"""A process that writes until it is killed. `python -m tests.secrets.writing ROOT SEED`; says each value once it is kept."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.secrets.files import quick_store


def main(root: str, seed: str) -> None:
    store = quick_store(Path(root))
    numbers: dict[str, int] = {}
    for step in range(1_000_000):
        path = f"p{(step * 7 + int(seed)) % 4}"
        held = store.get(path)
        number = numbers[path] = int(held.value["value"]) + 1 if held else 0
        store.put(path, {"value": str(number)}, held.version if held else "")
        print(path, number, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
