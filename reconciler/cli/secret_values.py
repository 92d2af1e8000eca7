"""Values on their way into the stores and out of them: files, standard input, terminals, the environment of a command."""

from __future__ import annotations

import os
import re
import resource
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

import click

from reconciler.core.errors import Missing, ReconcilerError, Usage

SINGLE = "value"
_MASK = "********"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Wanted(NamedTuple):
    """One secret of `exec`: `[NAME=]PATH[#KEY]`."""

    name: str
    path: str
    key: str


def value_from(pairs: Sequence[str]) -> dict[str, str]:
    """The map that KEY=VALUE, KEY=@FILE and KEY=- say. Raises Usage."""
    said: dict[str, str] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals and pair.startswith(("@", "-")):
            key, text = SINGLE, pair
        elif not equals:
            # Not shown: it may be the value.
            raise Usage("write KEY=VALUE, KEY=@FILE or KEY=- (a single value has the key `value`)")
        if not key or key in said:
            raise Usage(f"the key {key!r} is given twice" if key else "a key is empty")
        said[key] = text
    if list(said.values()).count("-") > 1 and not sys.stdin.isatty():
        raise Usage("standard input can be one value only (give the others as KEY=@FILE)")
    return {key: _text(key, text) for key, text in said.items()}


def _text(key: str, text: str) -> str:
    if text == "-":
        if sys.stdin.isatty():
            return str(click.prompt(key, hide_input=True, confirmation_prompt=True, err=True))
        return _decoded(key, "standard input", sys.stdin.buffer.read())
    if text.startswith("@"):
        try:
            return _decoded(key, text[1:], Path(text[1:]).read_bytes())
        except OSError as error:
            raise Usage(f"{text[1:]}: {error.strerror}") from None
    if text and sys.stderr.isatty():
        click.echo(f"note: the value of {key} is in this shell's history now; {key}=- asks for it", err=True)
    return text


def _decoded(key: str, source: str, raw: bytes) -> str:
    try:
        text = _without_newline(raw.decode())
    except UnicodeDecodeError:
        raise Usage(f"{source}: it is not text (encode it first, as base64)") from None
    if not text:
        # Most often the command before the pipe has failed: an empty value would take the place of a good one.
        raise Usage(f"{source} is empty (write {key}= for a value that is to be empty)")
    return text


def _without_newline(text: str) -> str:
    return text.removesuffix("\n").removesuffix("\r")


def print_secret(path: str, found: Mapping[str, str], key: str | None, show: bool, output: str) -> None:
    """Print a secret to a pipe; to a terminal only with --show or a yes. Raises Missing, Usage."""
    if key is not None and key not in found:
        raise Missing(f"{path}: it has no key {key!r} (it has {', '.join(sorted(found))})", path=path)
    chosen = dict(found) if key is None else {key: found[key]}
    terminal = sys.stdout.isatty()
    if terminal and not show and not _agreed(path):
        chosen = dict.fromkeys(chosen, _MASK)
    if output == "json":
        from reconciler.cli.output import say_json

        say_json(chosen)
    elif len(chosen) == 1:
        text = next(iter(chosen.values()))
        click.echo(text, nl=not text.endswith("\n"))
    elif terminal:
        for name, text in chosen.items():
            click.echo(f"{name}: {text}")
    else:
        raise Usage(f"{path}: it has several keys: {', '.join(sorted(chosen))} (choose one with --key, or take all with -o json)")


def _agreed(path: str) -> bool:
    asked = sys.stdin.isatty() and sys.stderr.isatty()  # the question is shown on the second
    return asked and click.confirm(f"Show {path} on this terminal?", default=False, err=True)


def wanted(text: str) -> Wanted:
    """Read `[NAME=]PATH[#KEY]`. Raises Usage."""
    name, equals, rest = text.partition("=")
    if not equals or not _VARIABLE.fullmatch(name):
        name, rest = "", text
    path, _, key = rest.partition("#")
    if not path:
        raise Usage(f"{text!r} names no secret (write [NAME=]PATH[#KEY])")
    return Wanted(name, path, key)


def variables_of(asked: Sequence[Wanted], found: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """The variables that a command is given. Raises Usage, Missing."""
    variables: dict[str, str] = {}
    for one in asked:
        for key, text in _chosen(one, found[one.path]).items():
            name = one.name or _variable(one.path, key)
            if name in variables:
                raise Usage(f"two secrets would be the variable {name} (write NAME={one.path}#{key})")
            if "\0" in text:
                raise ReconcilerError(f"{one.path}: the value of {key} holds a zero byte, which no environment can carry")
            variables[name] = text
    return variables


def _chosen(one: Wanted, value: Mapping[str, str]) -> Mapping[str, str]:
    if one.key:
        if one.key not in value:
            raise Missing(f"{one.path}: it has no key {one.key!r} (it has {', '.join(sorted(value))})", path=one.path)
        return {one.key: value[one.key]}
    if one.name and len(value) > 1:
        if SINGLE not in value:
            raise Usage(
                f"{one.path}: which of its keys is {one.name}? (write {one.name}={one.path}#KEY; it has {', '.join(sorted(value))})"
            )
        return {SINGLE: value[SINGLE]}
    return value


def _variable(path: str, key: str) -> str:
    whole = path if key == SINGLE else f"{path}_{key}"
    name = re.sub(r"[^A-Za-z0-9]", "_", whole).upper()
    return f"_{name}" if name[0].isdigit() else name


def forbid_cores() -> int:
    """Have a crash, or Ctrl-\\ at a question, write no file with all that is in memory. Returns the limit that was."""
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    return soft


def run_with(environ: Mapping[str, str], variables: Mapping[str, str], command: Sequence[str], core: int) -> NoReturn:
    """Become the command, with the signals and the limit of cores that this process began with. Raises Usage where there is none."""
    sys.stdout.flush()
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)  # Python ignores them, and what is ignored stays so in what a process becomes
    resource.setrlimit(resource.RLIMIT_CORE, (core, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    around = {os.fsencode(name): os.fsencode(text) for name, text in environ.items()}
    # In UTF-8 as the stores have them, whatever this machine writes its own names in.
    around |= {name.encode(): text.encode() for name, text in variables.items()}
    try:
        os.execvpe(command[0], list(command), around)  # noqa: S606  # no shell, and what was asked for
    except OSError as error:
        raise Usage(f"{command[0]}: {error.strerror}") from None
