"""A token of SoftHSM. Its library is opened once a process, with one configuration: all tests of a worker share it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler.backends.hsm import Hsm

SOFTHSM = tuple(
    map(Path, ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm.so", "/opt/homebrew/lib/softhsm/libsofthsm2.so"))
)


@contextmanager
def start_softhsm(folder: Path) -> Iterator[Hsm]:
    """Two tokens, `reconciler` with an AES key `store`, and `cautious`. Skips where SoftHSM is not installed."""
    module = next((file for file in SOFTHSM if file.exists()), None)
    if module is None or shutil.which("softhsm2-util") is None:
        pytest.skip("SoftHSM is not installed (apt-get install softhsm2)")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n")
    patch = pytest.MonkeyPatch()
    patch.setenv("SOFTHSM2_CONF", str(folder / "softhsm2.conf"))
    new_token("reconciler", "1234")
    new_token("cautious", "1111")
    key = Hsm(str(module), "reconciler", "store", "1234")
    key.make_key()
    yield key
    patch.undo()


def new_token(label: str, pin: str) -> None:
    tool = shutil.which("softhsm2-util")
    assert tool
    made = [tool, "--init-token", "--free", "--label", label, "--pin", pin, "--so-pin", "5678"]
    subprocess.run(made, check=True, capture_output=True, env=dict(os.environ))
