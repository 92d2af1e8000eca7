"""The workflow's step that holds anchors against the base branch, as it stands in plan.yml."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from reconciler.dev.servers import Server
from tests.audit.desk import Desk
from tests.test_workflows import Done, Forge, git


class Anchored(Forge):
    """A repository whose environment's log is anchored; its log is beside it."""

    def __init__(self, folder: Path, bao: Server, namespace: str) -> None:
        super().__init__(folder, bao, namespace)
        self.desk = Desk(folder / "audit")
        self.desk.run(4)
        environment = self.main / "desired-state" / "environments" / "staging.yaml"
        environment.write_text(
            f"project: demo\nvault: {{primary: {{}}}}\naudit: {{trusted: [{{public_key: {self.desk.pen.verifier.vkey}}}]}}\n"
        )
        self.anchor(self.main)
        git(self.main, "add", "-A")
        git(self.main, "commit", "-qm", "Anchor")

    def anchor(self, repo: Path) -> None:
        """Write an anchor of the log, as `audit anchor` does."""
        from reconciler.audit.merkle import EMPTY_ROOT
        from reconciler.audit.note import Checkpoint, read_checkpoint, read_note
        from reconciler.audit.proof import prove_growth

        file = repo / ".audit" / "staging.checkpoint"
        file.parent.mkdir(exist_ok=True)
        old = read_checkpoint(read_note(file.read_text()).text) if file.exists() else Checkpoint(self.desk.book.origin, 0, EMPTY_ROOT)
        proof = prove_growth(self.desk.book, old)
        file.write_text(proof.partition("\n\n")[2])
        file.with_suffix(".growth").write_text(proof)

    def proposed(self, name: str) -> Path:
        workspace = self.folder / name
        git(self.folder, "clone", "-q", str(self.main), str(workspace / "proposed"))
        return workspace

    def validate(self, workspace: Path) -> Done:
        return self.job("plan", "validate", {}, workspace)


@pytest.fixture
def forge(tmp_path: Path, bao: Server, namespace: str) -> Anchored:
    return Anchored(tmp_path, bao, namespace)


def test_an_anchor_that_grows_passes_and_a_smaller_or_another_tree_does_not(forge: Anchored) -> None:
    workspace = forge.proposed("unchanged")
    done = forge.validate(workspace)
    assert done.code == 0, done.output
    forge.desk.run(2)
    forge.anchor(workspace / "proposed")
    done = forge.validate(workspace)
    assert done.code == 0, done.output
    assert "9 entries are the beginning of 14" in done.output

    smaller = forge.proposed("smaller")
    forge.anchor(forge.main)
    git(forge.main, "commit", "-qam", "Anchor again")
    git(smaller / "proposed", "fetch", "-q")
    done = forge.validate(smaller)
    assert done.code == 4, done.output
    assert "became smaller" in done.output

    shutil.rmtree(forge.desk.folder)
    for _ in range(4):
        forge.desk.run(4)
    replaced = forge.proposed("replaced")
    (replaced / "proposed/.audit/staging.checkpoint").unlink()
    forge.anchor(replaced / "proposed")
    done = forge.validate(replaced)
    assert done.code == 4, done.output
