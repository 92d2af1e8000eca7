"""Reads commits from git objects and the work tree from disk. Never checks anything out, never writes the index."""

from __future__ import annotations

import os
import re
import stat
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from reconciler.core.errors import Invalid, Problem, ReconcilerError, Usage

from .tree import FOLDERS, MAX_FILE_BYTES, Tree, too_large

_DEEPEN = "fetch the whole history: git fetch --unshallow; in GitHub Actions, actions/checkout with fetch-depth: 0"
_COMMIT_ITSELF = "commit the file itself"
_REFUSED = {"120000": "is a symbolic link, which could point outside the repository", "160000": "is a submodule"}
_SUFFIX = re.compile(r"[~^:]|@\{")  # what may follow a name in git's language
_ABBREVIATED = re.compile(r"[0-9a-f]{4,39}")


class _Entry(NamedTuple):
    mode: str
    oid: str
    size: int
    path: str


@dataclass(frozen=True, slots=True)
class Repository:
    """The git repository that `folder` lies in; paths are relative to `folder`, which need not be its top."""

    folder: Path

    def resolve(self, ref: str) -> str:
        """Return the full commit id of a branch, tag or (abbreviated) commit. Raises Usage if there is none."""
        found = self._run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}", allow=(0, 1, 128))
        if found.returncode == 0:
            return found.stdout.decode().strip()
        self._must_be_repository()
        if not self._run("rev-parse", "--verify", "--quiet", "HEAD", allow=(0, 1, 128)).stdout:
            raise Usage("the repository has no commit yet (git add -A && git commit)")
        if self.is_shallow():
            raise ReconcilerError(f"commit {ref!r} is not in this shallow clone ({_DEEPEN})")
        raise Usage(f"{ref!r} is no commit, branch or tag of this repository")

    def resolve_trusted(self, ref: str) -> str:
        """The same of a ref that credentials follow. Raises Usage for a name of several refs, of which git would take a tag first."""
        name = _SUFFIX.split(ref)[0]
        places = [f"{folder}{name}" for folder in ("", "refs/", "refs/tags/", "refs/heads/", "refs/remotes/")]
        listed = self._run("for-each-ref", "--format=%(refname)", "--", *places).stdout.decode().splitlines()
        found = [one for one in listed if one in places]
        if _ABBREVIATED.fullmatch(name) and found:
            found.append("a commit")
        if len(found) > 1:
            which = " or ".join(found)
            raise Usage(f"{ref!r} may mean {which}, and whoever may push can have made one of them (write in full which is meant)")
        return self.resolve(ref)

    def read(self, commit: str) -> Tree:
        """Return the files of a commit, read from git's objects."""
        entries = self._entries(commit)
        return Tree(dict(zip((entry.path for entry in entries), self._blobs(entries), strict=True)), commit)

    def read_work_tree(self) -> Tree:
        """Return the files as they lie on disk; if they equal HEAD, they are read from HEAD."""
        changed = self.changes()
        commit = self.resolve("HEAD") if self.has_commits() else ""
        if commit and not changed:
            return self.read(commit)
        listed = self._run("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *FOLDERS).stdout
        paths = sorted({os.fsdecode(path) for path in listed.split(b"\0") if path})
        return Tree(_from_disk(self.folder, paths), commit, changed)

    def content(self, commit: str, path: str) -> bytes | None:
        """One file of a commit; None where it has none."""
        found = self._run("cat-file", "blob", f"{commit}:./{path}", allow=(0, 128))
        return found.stdout if found.returncode == 0 else None

    def changes(self) -> tuple[str, ...]:
        """The paths of desired state and templates that differ from HEAD, untracked ones included."""
        listed = self._run("status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--", *FOLDERS).stdout
        return tuple(sorted(os.fsdecode(line[3:]) for line in listed.split(b"\0") if line))

    def has_commits(self) -> bool:
        self._must_be_repository()
        return self._run("rev-parse", "--verify", "--quiet", "HEAD", allow=(0, 1, 128)).returncode == 0

    def is_shallow(self) -> bool:
        return self._run("rev-parse", "--is-shallow-repository").stdout.strip() == b"true"

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Whether `newer` descends from `older` (or is it). Raises if a shallow clone cannot tell."""
        answer = self._run("merge-base", "--is-ancestor", older, newer, allow=(0, 1, 128))
        if answer.returncode == 0:
            return True
        if self.is_shallow():
            raise ReconcilerError(f"this shallow clone cannot tell whether {newer[:9]} descends from {older[:9]} ({_DEEPEN})")
        # A commit that this repository does not have was rewritten away, or never fetched: no ancestor either way.
        return False

    def committed_at(self, commit: str) -> str:
        """Return the time of a commit, ISO 8601."""
        return self._run("show", "--no-patch", "--format=%cI", "--end-of-options", commit).stdout.decode().strip()

    def ask(self, *arguments: str) -> str:
        """What git answers to a question of the caller's that writes nothing. Raises ReconcilerError."""
        return self._run(*arguments).stdout.decode(errors="replace")

    def _entries(self, commit: str) -> list[_Entry]:
        listed = self._run("ls-tree", "-r", "-l", "-z", commit, "--", *FOLDERS, allow=(0, 128))
        if listed.returncode:
            self.resolve(commit)  # says why in words
            raise ReconcilerError(f"git cannot list commit {commit}: {_first_line(listed.stderr)}")
        entries = [_entry(line) for line in listed.stdout.split(b"\0") if line]
        _refuse(_entry_problems(entries))
        return entries

    def _blobs(self, entries: list[_Entry]) -> Iterator[bytes]:
        asked = "".join(f"{entry.oid}\n" for entry in entries).encode()
        answer = self._run("cat-file", "--batch", stdin=asked).stdout
        start = 0
        for entry in entries:
            start = answer.index(b"\n", start) + 1
            yield answer[start : start + entry.size]
            start += entry.size + 1

    def _must_be_repository(self) -> None:
        self._run("rev-parse", "--git-dir")

    def _run(self, *arguments: str, stdin: bytes = b"", allow: tuple[int, ...] = (0,)) -> subprocess.CompletedProcess[bytes]:
        # Reading must not write: without the first option, `git status` refreshes the index.
        command = ["git", "--no-optional-locks", "--literal-pathspecs", "-C", str(self.folder), *arguments]
        try:
            done = subprocess.run(command, input=stdin, capture_output=True, check=False)
        except FileNotFoundError:
            raise ReconcilerError("git is not installed or not on the PATH") from None
        if done.returncode not in allow:
            said = _first_line(done.stderr)
            if "--git-dir" in arguments:
                raise Usage(f"{self.folder} is not in a git repository (`reconcile init DIR` makes one): {said}")
            self._must_be_repository()
            raise ReconcilerError(f"git {arguments[0]} failed: {said}")
        return done


def _entry(line: bytes) -> _Entry:
    meta, _, path = line.partition(b"\t")
    mode, _kind, oid, size = meta.decode().split()
    return _Entry(mode, oid, int(size) if size != "-" else 0, os.fsdecode(path))


def _entry_problems(entries: Iterable[_Entry]) -> Iterator[Problem]:
    for entry in entries:
        if entry.mode in _REFUSED:
            yield Problem(entry.path, "", _REFUSED[entry.mode], _COMMIT_ITSELF)
        elif entry.size > MAX_FILE_BYTES:
            yield too_large(entry.path, entry.size)


def _from_disk(folder: Path, paths: Iterable[str]) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    problems: list[Problem] = []
    linked = _linked_folders(folder, paths)
    for path in paths:
        try:
            found = os.lstat(folder / path)
        except FileNotFoundError:
            continue  # deleted, but still in the index
        if stat.S_ISLNK(found.st_mode) or os.path.dirname(path) in linked:
            problems.append(Problem(path, "", _REFUSED["120000"], _COMMIT_ITSELF))
        elif stat.S_ISDIR(found.st_mode):
            problems.append(Problem(path, "", _REFUSED["160000"], _COMMIT_ITSELF))
        elif found.st_size > MAX_FILE_BYTES:
            problems.append(too_large(path, found.st_size))
        else:
            files[path] = (folder / path).read_bytes()
    _refuse(problems)
    return files


def _linked_folders(folder: Path, paths: Iterable[str]) -> frozenset[str]:
    """The folders of these paths that lie behind a symbolic link."""
    folders = {os.path.dirname(path) for path in paths}
    return frozenset(name for name in folders if os.path.realpath(folder / name) != os.path.join(os.path.realpath(folder), name))


def _refuse(problems: Iterable[Problem]) -> None:
    found = tuple(problems)
    if found:
        raise Invalid(found)


def _first_line(stderr: bytes) -> str:
    lines = stderr.decode(errors="replace").strip().splitlines()
    return lines[0].removeprefix("fatal: ") if lines else "no reason given"
