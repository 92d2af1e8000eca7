"""The clone and the commands of a server: real git, real processes."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from reconciler.core.errors import Unavailable, Usage
from reconciler.server.worker import Stopped
from reconciler.settings import Settings
from reconciler.wiring import commands as limits
from reconciler.wiring.clone import GitClone, repository_of
from reconciler.wiring.commands import ChildCommands
from tests.server.deployment import Deployment, policy, until


@pytest.fixture
def clone(deployed: Deployment) -> GitClone:
    return GitClone(deployed.clone, "main", deployed.environ)


@pytest.fixture
def ran() -> list[tuple[str, int]]:
    return []


@pytest.fixture
def commands(deployed: Deployment, ran: list[tuple[str, int]]) -> ChildCommands:
    settings = Settings(deployed.clone, "dev", False, "text", deployed.environ)
    return ChildCommands(settings, str, lambda name, code, _seconds: ran.append((name, code)))


def test_a_pull_request_is_planned_from_gits_objects_and_the_work_tree_stays(
    deployed: Deployment, clone: GitClone, commands: ChildCommands, ran: list[tuple[str, int]]
) -> None:
    deployed.site.write("desired-state/p.yaml", policy("second/*"))
    head = deployed.push(branch="refs/pull/7/head")
    assert clone.fetch("refs/pull/7/head") == head
    planned = commands.plan(head, clone.fetch_branch())
    assert planned.code == 3
    assert [one["address"] for one in planned.changes] == ["vault.policy/p"]
    assert planned.digest in planned.markdown
    assert ran == [("plan", 3)]
    assert (deployed.clone / "desired-state/p.yaml").read_text() == policy("first/*")


def test_uncommitted_changes_beside_it_are_nothing_to_the_plan_of_a_commit(
    deployed: Deployment, clone: GitClone, commands: ChildCommands
) -> None:
    (deployed.clone / "desired-state/p.yaml").write_text(policy("half-written/*"))
    tip = clone.fetch_branch()
    planned = commands.plan(tip, tip)
    assert (planned.code, planned.changes) == (0, []), planned.log


def test_what_is_wrong_in_a_pull_request_is_said_and_there_is_no_plan(
    deployed: Deployment, clone: GitClone, commands: ChildCommands
) -> None:
    deployed.site.write("desired-state/p.yaml", "kind: vault.policy\nname: p\nspec: {rulez: []}\n")
    head = deployed.push(branch="refs/pull/7/head")
    clone.fetch("refs/pull/7/head")
    planned = commands.plan(head, clone.fetch_branch())
    assert (planned.plan, planned.markdown) == (None, "")
    assert "rulez" in planned.log
    done = commands.validate(head)
    assert done.code == 1
    assert "rulez" in done.log


def test_a_validation_that_takes_too_long_is_cut_off(
    clone: GitClone, commands: ChildCommands, ran: list[tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "VALIDATE_SECONDS", 0.01)
    with pytest.raises(Unavailable, match="did not end within"):
        commands.validate(clone.fetch_branch())
    assert ran == []


def test_a_stop_cuts_off_what_only_reads(deployed: Deployment, clone: GitClone, commands: ChildCommands) -> None:
    tip = clone.fetch_branch()
    failed: list[BaseException] = []

    def plan() -> None:
        try:
            commands.plan(tip, tip)
        except Stopped as error:
            failed.append(error)

    commands.stop()
    thread = threading.Thread(target=plan)
    thread.start()
    until(lambda: not thread.is_alive(), "it is cut off")
    assert failed


def test_applied_commits_are_those_of_the_ledger_and_a_rollback_has_a_goal(
    deployed: Deployment, clone: GitClone, commands: ChildCommands
) -> None:
    first = clone.fetch_branch()
    assert commands.applied() == (first,)
    assert commands.goal() == ""
    deployed.site.write("desired-state/p.yaml", policy("second/*"))
    second = deployed.push()
    clone.move(clone.fetch_branch())
    done = commands.apply(second, "")
    assert done.code == 0, done.log
    assert commands.applied() == (first, second)
    assert commands.goal() == first
    refused = commands.apply(second, "sha256:" + "0" * 64)
    assert refused.code == 4
    assert refused.answer is not None, "what is refused for its digest is told from a held lock"


def test_an_origin_that_is_gone_is_said_without_the_password_in_its_url(deployed: Deployment, clone: GitClone) -> None:
    deployed.site.git("-C", str(deployed.clone), "remote", "set-url", "origin", "https://bot:hidden-word@127.0.0.1:1/genesis/state.git")
    with pytest.raises(Unavailable) as failed:
        clone.fetch_branch()
    assert "hidden-word" not in str(failed.value)


def test_the_commits_between_two_of_the_branch_are_its_merges_and_nothing_of_what_was_merged(deployed: Deployment, clone: GitClone) -> None:
    site = deployed.site
    first = clone.fetch_branch()
    merges = []
    for name in ("one", "two", "three"):
        site.git("checkout", "--quiet", "-b", name)
        for part in ("a", "b"):
            site.write(f"desired-state/{name}-{part}.txt", "")
            site.commit(f"{name} {part}")
        site.git("checkout", "--quiet", "main")
        site.git("merge", "--quiet", "--no-ff", "--no-edit", name)
        merges.append(site.git("rev-parse", "HEAD").strip())
    site.git("push", "--quiet", "origin", "main")
    assert clone.fetch_branch() == merges[2]
    assert clone.between(first, merges[2]) == tuple(merges[:2])
    assert clone.between(merges[1], merges[2]) == ()
    assert clone.between(merges[2], merges[0]) == ()
    assert clone.between("f" * 40, merges[2]) == (), "a commit that is not on the branch, or no longer"


def test_a_folder_without_an_origin_is_refused(tmp_path: Path, deployed: Deployment) -> None:
    deployed.site.git("init", "--quiet", str(tmp_path / "lone"))
    with pytest.raises(Usage, match="git clone"):
        GitClone(tmp_path / "lone", "main", deployed.environ).prepare()
    for name in ("--upload-pack=id", "a b", "", "a:b"):
        with pytest.raises(Usage, match="name of a branch"):
            GitClone(deployed.clone, name, deployed.environ)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://github.com/genesis/state.git", "genesis/state"),
        ("https://bot:word@gitlab.example.com/group/sub/state.git", "group/sub/state"),
        ("git@github.com:genesis/state.git", "genesis/state"),
        ("ssh://git@github.com:22/genesis/state", "genesis/state"),
        ("/srv/git/state.git", ""),
        ("https://example.com/state.git", ""),
    ],
)
def test_a_forges_name_of_the_repository_is_read_from_its_url(url: str, name: str) -> None:
    assert repository_of(url) == name
