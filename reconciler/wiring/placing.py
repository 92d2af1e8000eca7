"""Where files of declarations go: beside what is there, never over it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from reconciler.core.errors import ReconcilerError, Usage
from reconciler.desired.adopted import numbered
from reconciler.desired.tree import ENVIRONMENTS, OVERLAYS, TEMPLATE_SUFFIX, TEMPLATES

DOCUMENTS = "desired-state/"
_UNSAID = "adopted"  # a folder's name for texts that are only printed


class Target(NamedTuple):
    """The folder to write to; None where everything is printed."""

    repo: Path
    folder: Path | None

    @property
    def inside(self) -> str | None:
        """The folder as the repository calls it; None where its files are not read from there."""
        if self.folder is None:
            return f"{DOCUMENTS}{_UNSAID}"
        folder = self.folder.resolve()
        if not folder.is_relative_to(self.repo):
            return None
        path = folder.relative_to(self.repo).as_posix()
        if f"{path}/".startswith((ENVIRONMENTS, OVERLAYS)):
            raise Usage(f"{path} is for environments and overlays (--write desired-state, or another folder below it)")
        return path if f"{path}/".startswith(DOCUMENTS) else None

    @property
    def templates(self) -> Path | None:
        """Where templates go: to those of the repository, or beside the documents where those are not in it."""
        if self.folder is None:
            return None
        return (self.repo if self.inside is not None else self.folder) / TEMPLATES

    def read_as(self, path: str) -> str:
        """What the repository calls a file at `path` below the folder, or would."""
        return f"{self.inside or f'{DOCUMENTS}{_UNSAID}'}/{path}"

    def taken(self) -> frozenset[str]:
        """Names of templates that are there."""
        found = self.templates.glob(f"*{TEMPLATE_SUFFIX}") if self.templates is not None else ()
        return frozenset(path.name.removesuffix(TEMPLATE_SUFFIX) for path in found)


def write(target: Target, documents: Mapping[str, str], templates: Mapping[str, str]) -> list[Path]:
    """Write files; `documents` by path below the folder, `templates` by name. Returns where each of them went.

    A file that is there stays as it is: the same text is not written again, another goes into a file beside it.
    """
    named = {f"{name}{TEMPLATE_SUFFIX}": text for name, text in templates.items()}
    pairs = ((target.templates, named), (target.folder, documents))
    return [_write(folder / path, text) for folder, texts in pairs if folder is not None for path, text in texts.items()]


def _write(path: Path, text: str) -> Path:
    number = 1
    while True:
        place = path if number == 1 else Path(numbered(str(path), number))
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            if place.is_file() and place.read_text(encoding="utf-8", errors="replace") == text:
                return place
            number += 1
        except OSError as error:
            raise ReconcilerError(f"{place}: could not be written: {error.strerror}") from None
        else:
            return place
