"""A `Tree`: the files below `desired-state/` and `templates/`, of a commit or of the work tree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from reconciler.core.errors import Problem

FOLDERS = ("desired-state", "templates")
ENVIRONMENTS = "desired-state/environments/"
OVERLAYS = "desired-state/overlays/"
TEMPLATES = "templates/"
TEMPLATE_SUFFIX = ".yaml.j2"
YAML_SUFFIXES = (".yaml", ".yml")

MAX_FILE_BYTES = 5_000_000  # far above anything written by hand; a parser fed more is being attacked or misused


@dataclass(frozen=True, slots=True)
class Tree:
    """Files by path. `commit` is where they were read from; `dirty` names the paths that differ from it."""

    files: Mapping[str, bytes]
    commit: str = ""
    dirty: tuple[str, ...] = ()

    def documents(self) -> list[str]:
        """The paths of YAML files that declare objects: folders mean nothing, but environments and overlays are apart."""
        return [path for path in self._yaml("desired-state/") if not path.startswith((ENVIRONMENTS, OVERLAYS))]

    def environments(self) -> dict[str, str]:
        """Environment names and their files."""
        return {_stem(path, ENVIRONMENTS): path for path in self._yaml(ENVIRONMENTS)}

    def overlays(self) -> list[str]:
        """The paths of overlay files, of all environments."""
        return self._yaml(OVERLAYS)

    def templates(self) -> dict[str, str]:
        """Template names and their files."""
        found = (path for path in sorted(self.files) if path.startswith(TEMPLATES) and path.endswith(TEMPLATE_SUFFIX))
        return {path.removeprefix(TEMPLATES).removesuffix(TEMPLATE_SUFFIX): path for path in found}

    def unread(self) -> Iterator[str]:
        """Files that look as if they were meant to be read, but are not."""
        read = {*self.templates().values()}
        for path in sorted(self.files):
            if path.endswith(".j2") and path not in read:
                yield f"{path} is not read (templates are {TEMPLATES}NAME{TEMPLATE_SUFFIX})"
            elif path.startswith(TEMPLATES) and path.endswith(YAML_SUFFIXES):
                yield f"{path} is not read (documents lie in desired-state/)"

    def _yaml(self, folder: str) -> list[str]:
        return sorted(path for path in self.files if path.startswith(folder) and path.endswith(YAML_SUFFIXES))


def too_large(path: str, size: int) -> Problem:
    """The problem of a file that no parser is fed."""
    return Problem(path, "", f"is {size / 1e6:.1f} MB; at most {MAX_FILE_BYTES / 1e6:.0f} MB are read", "split it into several files")


def _stem(path: str, folder: str) -> str:
    return path.removeprefix(folder).rpartition(".")[0]
