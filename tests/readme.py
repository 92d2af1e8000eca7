"""README.md as a program: its YAML is a repository, its diff a pull request, its transcripts are what `reconcile` says.

`python -m tests.readme` writes what is generated: transcripts that are no longer true, and docs/kinds.md. With the file
that `make bench` was printed to as argument, it writes the figures too.
"""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from reconciler.core.kind import AnyKind
from reconciler.core.values import show_duration
from reconciler.dev.process import clean_environment
from reconciler.dev.scaffold import first_commit
from reconciler.dev.servers import start_bao_dev, start_moto
from reconciler.dev.up import Endpoints, variables
from reconciler.kinds import KINDS
from tests.kinds.samples import SAMPLES

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
KINDS_PAGE = ROOT / "docs" / "kinds.md"
BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
BENCH = re.compile(r"(?<=<!-- what `make bench` prints -->\n```text\n).*?(?=^```$)", re.MULTILINE | re.DOTALL)
# What no two runs have in common, and how it is written while they are compared.
VOLATILE = {
    r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ": "TIME",
    r"\b[0-9a-f]{12}\b": "RUN",
    r"\b[0-9a-f]{7}\b": "COMMIT",
    r"\b\d+\.\d s, \d+ requests": "COST",
    r"OpenBao \d+\.\d+\.\d+": "OpenBao VERSION",
}


class Block(NamedTuple):
    """A fenced block. `path`: the file that its first line, a comment, says it is."""

    language: str
    body: str

    @property
    def path(self) -> str:
        found = re.match(r"# ([\w./-]+/[\w.-]+)$", self.body, re.MULTILINE)
        return found[1] if found else ""


def blocks(text: str, *languages: str) -> list[Block]:
    found = (Block(match["language"], match["body"]) for match in BLOCK.finditer(text))
    return [block for block in found if block.language in languages]


def repository(text: str) -> dict[str, str]:
    """The files that the YAML blocks are, by path."""
    return {block.path: block.body for block in blocks(text, "yaml")}


def masked(text: str) -> str:
    for pattern, name in VOLATILE.items():
        text = re.sub(pattern, name, text)
    return text


def performed(text: str) -> str:
    """The README as it is after its diffs are committed and its commands run, one after the other, on new servers."""
    with tempfile.TemporaryDirectory(prefix="readme-") as name, stage(Path(name), repository(text)) as run:

        def play(match: re.Match[str]) -> str:
            if match["language"] == "diff":
                run(f"git apply --index - <<'EOF' && git commit --quiet --message=Proposed\n{match['body']}EOF")
            if match["language"] != "console":
                return match[0]
            commands = re.findall(r"^\$ (.*)$", match["body"], re.MULTILINE)
            return "```console\n" + "".join(f"$ {command}\n{run(command)}" for command in commands) + "```"

        return BLOCK.sub(play, text)


@contextmanager
def stage(folder: Path, files: dict[str, str]) -> Iterator[Callable[[str], str]]:
    """Two servers, and a repository that is applied to them. Yields what runs a command line there."""
    repo = folder / "infra"
    with start_bao_dev(folder / "bao") as bao, start_moto(folder / "moto") as moto:
        for path, content in files.items():
            (repo / path).parent.mkdir(parents=True, exist_ok=True)
            (repo / path).write_text(content.replace("https://vault.example.com:8200", bao.address))
        first_commit(repo, "Declare GENESIS")
        who = {f"GIT_{role}_{what}": "you@laptop" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        endpoints = variables(Endpoints(bao.address, bao.token, moto.address))
        environment = clean_environment(folder, RECONCILE_ENV="dev", LOGNAME="you", **who, **endpoints)
        environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"

        def run(command: str) -> str:
            shell = ["bash", "-c", command]
            done = subprocess.run(
                shell, cwd=repo, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
            )
            assert done.returncode == 0, f"{command}\n{done.stdout}"
            return done.stdout.replace(f"you@{socket.gethostname()}", "you@laptop")

        run("reconcile apply --yes")
        yield run


def renewed(text: str) -> str:
    """The README with its transcripts written anew, all of one run, unless they are true as they stand."""
    new = performed(text)
    return text if masked(new) == masked(text) else new


def kinds_page() -> str:
    """docs/kinds.md: what can be declared, from the models."""
    head = f"""\
# Kinds

Written by `python -m tests.readme` from the models. `reconcile schema KIND` prints the same as JSON Schema, for editors.
Fields have the names of the server's own API. A field that is left out has the default that stands here, or none: `""`, 0,
false, an empty list or map. A duration is `45m`, `1h30m`, `30d` or seconds. A secret is `{{from: SOURCE}}` or
`{{generate: {{length: N}}, to: SOURCE}}`, never a value. {len(KINDS)} kinds.
"""
    return "\n".join([head, *map(_kind, KINDS.values())])


def _kind(kind: AnyKind) -> str:
    schema = kind.spec.model_json_schema()
    names = sorted(f"`{sample.name}`" for sample in SAMPLES.get(kind.name, ()))
    called = f" A name: {names[0]}." if names else ""
    parts = [f"## {kind.name}\n", f"{_sentence(kind.spec.__doc__)}{called}\n", f"{_fields(schema)}\n"]
    for name, part in schema.get("$defs", {}).items():
        if name != "Secret":
            parts.append(f"*{name}*: {_fields(part)}\n")
    replaced = sorted(kind.immutable | kind.one_way)
    if replaced:
        parts.append(
            f"Replaced (deleted and created, behind the guard `replace`) for another: {', '.join(f'`{name}`' for name in replaced)}.\n"
        )
    if kind.undeletable:
        parts.append(f"Never deleted: {kind.undeletable}.\n")
    return "\n".join(parts)


def _sentence(docstring: str | None) -> str:
    return " ".join((docstring or "").split())


def _fields(schema: dict[str, Any]) -> str:
    required = schema.get("required", [])
    return " · ".join(f"`{name}` {_takes(shape)}{_default(shape, name in required)}" for name, shape in schema["properties"].items())


def _default(shape: dict[str, Any], required: bool) -> str:
    default = shape.get("default")
    if required:
        return ", required"
    if isinstance(default, dict) or default in (None, "", 0, False, []):
        return ""
    return f", default {_shown(show_duration(default) if shape.get('x-unit') == 'seconds' else default)}"


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    return str(value).lower() if isinstance(value, bool) else f"`{value}`"


def _takes(shape: dict[str, Any]) -> str:
    """What a field takes, in words."""
    if "anyOf" in shape:
        return " or ".join(_takes(one) for one in shape["anyOf"] if one.get("type") != "null")
    if "$ref" in shape:
        name = shape["$ref"].rpartition("/")[2]
        return "secret" if name == "Secret" else f"*{name}*"
    if "enum" in shape:
        return "|".join(f"`{one}`" for one in shape["enum"] if one != "")
    if "duration" in shape.get("description", ""):
        return "duration"
    if "document" in shape.get("description", ""):
        return "IAM document"
    sort = shape.get("type", "anything")
    if "items" in shape:
        return f"list of {_takes(shape['items'])}"
    if isinstance(shape.get("additionalProperties"), dict):
        return f"map of {_takes(shape['additionalProperties'])}"
    return " or ".join(sort) if isinstance(sort, list) else {"object": "map", "array": "list"}.get(sort, sort)


def main() -> None:
    text = README.read_text()
    if len(sys.argv) > 1:
        figures = re.search(r"^[\d,]+ objects; .*", Path(sys.argv[1]).read_text(), re.MULTILINE | re.DOTALL)
        assert figures is not None, f"{sys.argv[1]} does not hold what `make bench` prints"
        printed = figures[0]  # without what make itself says before
        text = BENCH.sub(lambda _found: printed, text)
    README.write_text(renewed(text))
    KINDS_PAGE.write_text(kinds_page())


if __name__ == "__main__":
    main()
