"""Commits are read from git's objects, the work tree from disk; neither is written."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from reconciler.core.errors import Invalid, ReconcilerError, Usage
from reconciler.desired.git import Repository

POLICY = "desired-state/a.yaml"


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def write(folder: Path, path: str, text: str = "kind: x\n") -> Path:
    there = folder / path
    there.parent.mkdir(parents=True, exist_ok=True)
    there.write_text(text)
    return there


def commit(folder: Path, message: str = "change") -> str:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", message)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "-b", "main")
    return tmp_path


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("shadow", ["refs/tags/origin/main", "refs/heads/origin/main", "refs/origin/main"])
@pytest.mark.parametrize("suffix", ["", "~0", "^{commit}", "@{0}"])
def test_a_ref_that_is_trusted_means_one_commit_alone(folder: Path, shadow: str, suffix: str) -> None:
    base, repository = commit(folder), Repository(folder)
    git(folder, "update-ref", "--create-reflog", "refs/remotes/origin/main", base)
    git(folder, "tag", "origin/main-2")
    assert repository.resolve_trusted(f"origin/main{suffix}") == base
    git(folder, "update-ref", "--create-reflog", shadow, commit(folder))
    with pytest.raises(Usage, match="refs/remotes/origin/main"):
        repository.resolve_trusted(f"origin/main{suffix}")
    assert repository.resolve_trusted(f"refs/remotes/origin/main{suffix}") == base


def test_a_tag_that_looks_like_a_commit_is_not_trusted_as_one(folder: Path) -> None:
    base, repository = commit(folder), Repository(folder)
    assert repository.resolve_trusted(base[:9]) == base
    commit(folder)
    git(folder, "tag", base[:9])
    with pytest.raises(Usage, match="a commit"):
        repository.resolve_trusted(base[:9])
    assert repository.resolve_trusted(base) == base


def test_an_older_commit_is_read_without_touching_anything(folder: Path) -> None:
    write(folder, POLICY, "kind: old\n")
    write(folder, "templates/t.yaml.j2", "parameters: {}\n")
    write(folder, "elsewhere/b.yaml")
    old = commit(folder)
    write(folder, POLICY, "kind: new\n")
    commit(folder)
    write(folder, POLICY, "kind: newest\n")
    before = snapshot(folder)
    tree = Repository(folder).read(old)
    assert tree.files == {POLICY: b"kind: old\n", "templates/t.yaml.j2": b"parameters: {}\n"}
    assert (tree.commit, tree.dirty) == (old, ())
    Repository(folder).changes()
    assert snapshot(folder) == before


def test_files_of_any_content_and_name_come_back_whole(folder: Path) -> None:
    texts = {f"desired-state/{name}.yaml": text for name, text in {"ä ö": "\n\n", "b": "", "c c": "x" * 100_000, "d'\"": "a\r\nb"}.items()}
    for path, text in texts.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(text.encode())
    found = Repository(folder).read(commit(folder)).files
    assert found == {path: text.encode() for path, text in texts.items()}


def test_a_clean_work_tree_is_its_commit(folder: Path) -> None:
    write(folder, POLICY)
    write(folder, "README.md")
    head = commit(folder)
    write(folder, "README.md", "changed\n")
    tree = Repository(folder).read_work_tree()
    assert (tree.commit, tree.dirty, list(tree.files)) == (head, (), [POLICY])


def test_uncommitted_changes_are_read_and_named(folder: Path) -> None:
    write(folder, ".gitignore", "ignored.yaml\n")
    write(folder, POLICY)
    write(folder, "desired-state/gone.yaml")
    commit(folder)
    write(folder, POLICY, "kind: edited\n")
    write(folder, "templates/new.yaml.j2")
    write(folder, "desired-state/ignored.yaml")
    (folder / "desired-state/gone.yaml").unlink()
    tree = Repository(folder).read_work_tree()
    assert tree.dirty == (POLICY, "desired-state/gone.yaml", "templates/new.yaml.j2")
    assert sorted(tree.files) == [POLICY, "templates/new.yaml.j2"]
    assert tree.files[POLICY] == b"kind: edited\n"


def test_a_folder_below_the_top_of_the_repository_is_a_repository_of_its_own(folder: Path) -> None:
    write(folder, f"infra/{POLICY}")
    write(folder, POLICY)
    head = commit(folder)
    write(folder, POLICY, "changed outside\n")
    tree = Repository(folder / "infra").read_work_tree()
    assert (list(tree.files), tree.commit, tree.dirty) == ([POLICY], head, ())


@pytest.mark.parametrize("committed", [True, False], ids=["in a commit", "in the work tree"])
def test_a_link_that_could_point_outside_is_refused(folder: Path, committed: bool) -> None:
    write(folder, POLICY)
    commit(folder)
    (folder / "desired-state/link.yaml").symlink_to("/etc/hostname")
    repository = Repository(folder)
    with pytest.raises(Invalid, match=r"desired-state/link\.yaml: is a symbolic link, which could point outside the repository"):
        repository.read(commit(folder)) if committed else repository.read_work_tree()


def test_a_folder_that_became_a_link_is_refused(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    write(folder, "desired-state/sub/a.yaml")
    commit(folder)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (folder / "desired-state/sub").rename(elsewhere / "sub")
    (folder / "desired-state/sub").symlink_to(elsewhere / "sub")
    with pytest.raises(Invalid, match="is a symbolic link"):
        Repository(folder).read_work_tree()


@pytest.mark.parametrize("committed", [True, False], ids=["in a commit", "in the work tree"])
def test_a_file_of_ten_megabytes_is_refused_with_the_reason(folder: Path, committed: bool) -> None:
    write(folder, POLICY, "x" * 10_000_000)
    repository = Repository(folder)
    with pytest.raises(Invalid, match=r"desired-state/a\.yaml: is 10\.0 MB; at most 5 MB are read \(split it"):
        repository.read(commit(folder)) if committed else repository.read_work_tree()


def test_branches_tags_and_short_ids_are_commits(folder: Path) -> None:
    head = commit(folder)
    git(folder, "tag", "v1")
    for ref in ("HEAD", "main", "v1", head[:10], head):
        assert Repository(folder).resolve(ref) == head


@pytest.mark.parametrize("ref", ["nothing", "--help", "v1^{tree}", "", "HEAD~7", "0" * 40])
def test_what_is_no_commit_is_said_to_be_none(folder: Path, ref: str) -> None:
    commit(folder)
    with pytest.raises(Usage, match="is no commit, branch or tag of this repository"):
        Repository(folder).resolve(ref)


def test_a_repository_without_a_commit_says_so(folder: Path) -> None:
    with pytest.raises(Usage, match=r"the repository has no commit yet \(git add -A && git commit\)"):
        Repository(folder).resolve("HEAD")
    write(folder, POLICY)
    tree = Repository(folder).read_work_tree()
    assert (list(tree.files), tree.commit, tree.dirty) == ([POLICY], "", (POLICY,))


def test_a_folder_without_git_says_so(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(Usage, match=r"is not in a git repository \(`reconcile init DIR` makes one\)"):
            Repository(folder).read_work_tree()


def test_ancestry_is_known(folder: Path) -> None:
    first = commit(folder, "first")
    second = commit(folder, "second")
    git(folder, "checkout", "-q", "-b", "side", first)
    third = commit(folder, "third")
    repository = Repository(folder)
    assert repository.is_ancestor(first, second)
    assert repository.is_ancestor(first, first)
    assert not repository.is_ancestor(second, first)
    assert not repository.is_ancestor(second, third)
    assert not repository.is_ancestor("0" * 40, third), "rewritten away"


def test_a_clone_of_depth_one_says_what_to_fetch(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    write(folder, POLICY)
    first = commit(folder)
    head = commit(folder)
    clone = tmp_path_factory.mktemp("clone")
    git(folder, "clone", "-q", "--depth", "1", f"file://{folder}", str(clone))
    repository = Repository(clone)
    assert repository.read(repository.resolve("HEAD")).commit == head
    for ask in (lambda: repository.resolve(first), lambda: repository.is_ancestor(first, head), lambda: repository.read(first)):
        with pytest.raises(ReconcilerError, match="git fetch --unshallow; in GitHub Actions, actions/checkout with fetch-depth: 0"):
            ask()
