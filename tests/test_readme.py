"""The README is true: what it shows was printed, what it names exists, what it lists is complete."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from reconciler.backends.vault.client import VaultClient
from reconciler.cli.main import EXIT_CODES, cli
from reconciler.core.change import Action
from reconciler.core.kind import Kind
from reconciler.core.secret import Secret
from reconciler.desired.load import Desired, load
from reconciler.desired.tree import Tree
from reconciler.kinds import KINDS
from tests.bench import __main__ as bench
from tests.bench.measure import Measured
from tests.kinds.sample import Sample
from tests.kinds.stand import Stand
from tests.readme import BENCH, KINDS_PAGE, README, ROOT, blocks, kinds_page, masked, performed, repository

TEXT = README.read_text()
PROSE = re.sub(r"^```.*?^```$", "", TEXT, flags=re.MULTILINE | re.DOTALL)
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
WRITE = "write it anew with `python -m tests.readme`"


def section(title: str) -> str:
    return TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def rows(text: str) -> list[list[str]]:
    """The cells of a table, without its heading."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines[1:]]


def spans(text: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", text)


def test_the_first_line_is_one_sentence_and_the_two_commands_follow() -> None:
    _title, sentence, commands = TEXT.split("\n\n", 3)[:3]
    assert re.fullmatch(r"[^.]+\.", sentence)
    assert re.findall(r"^make (\w+)", commands, re.MULTILINE) == ["demo", "test"]
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"\bmake (\w+)", " ".join(spans(TEXT)) + commands)) <= set(targets)


def test_transcripts_are_what_the_commands_print() -> None:
    printed = [block.body for block in blocks(performed(TEXT), "console")]
    assert [masked(block.body) for block in blocks(TEXT, "console")] == [masked(body) for body in printed], WRITE


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_the_yaml_is_a_valid_repository(environment: str) -> None:
    assert all(block.path for block in blocks(TEXT, "yaml")), "each block says which file it is"
    desired = desired_state(environment)
    assert desired.notes == desired.unresolved == ()
    assert {"vault.policy", "vault.approle_role", "aws.secret"} <= {address.kind for address in desired.resources}
    assert any(isinstance(value, Secret) for resource in desired.resources.values() for value in resource.spec.__dict__.values())
    assert desired.templates
    assert desired.approvals


def desired_state(environment: str) -> Desired:
    return load(Tree({path: body.encode() for path, body in repository(TEXT).items()}), environment, KINDS)


def command_lines() -> Iterator[str]:
    for block in blocks(TEXT, "sh", "console"):
        for line in block.body.splitlines():
            if block.language == "sh" or line.startswith("$ "):
                yield from (part.strip() for part in re.split(r"&&|\|\||\$\(|\)", line.removeprefix("$ ").partition(" #")[0]))
    yield from spans(PROSE)


COMMANDS = sorted({line.strip('" ') for line in command_lines() if re.match(r'"?reconcile( |$)', line)})


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_exists_with_its_options(line: str) -> None:
    understand(shlex.split(re.sub(r"[\[\]]", "", line))[1:])


def understand(words: list[str]) -> click.Command:
    """Walk a command line as click would. Fails where a word has no meaning."""
    command: click.Command = cli
    taken = 0
    rest = iter(words)
    for word in rest:
        if word.startswith("-"):
            found = options(command).get(word)
            assert found is not None, f"{command.name} has no {word}"
            if not found.is_flag:
                assert next(rest, None) is not None, f"{word} needs a value"
        elif isinstance(command, click.Group):
            assert word in command.commands, f"{command.name} has no command {word}"
            command = command.commands[word]
        else:
            taken += 1
            assert taken <= sum(isinstance(param, click.Argument) for param in command.params), f"{command.name} takes no {word}"
    return command


def options(command: click.Command) -> dict[str, click.Option]:
    given = [param for param in command.params if isinstance(param, click.Option)]
    return {name: param for param in given for name in (*param.opts, *param.secondary_opts)}


def test_every_command_is_in_the_table_with_options_that_it_has() -> None:
    named = set()
    for command, does in rows(section("Commands")):
        words = shlex.split(re.sub(r"[\[\]`]", "", command))[1:]
        named.add(words[0])
        for span in spans(does):
            if span.startswith("-"):
                understand([words[0], *span.split()])
    assert named == set(cli.commands)


def test_options_in_prose_exist_somewhere() -> None:
    def every(command: click.Command) -> set[str]:
        below = command.commands.values() if isinstance(command, click.Group) else ()
        return set(options(command)).union(*map(every, below))

    assert {span.split()[0] for span in spans(PROSE) if span.startswith("--")} <= every(cli)


def test_exit_codes_are_those_of_the_help() -> None:
    assert EXIT_CODES.removeprefix("\b\n") in [block.body.rstrip("\n") for block in blocks(section("Commands"), "text")]


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)\s]+)\)", PROSE))))
def test_a_link_leads_somewhere(link: str) -> None:
    headings = [re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in re.findall(r"^#+ (.*)$", PROSE, re.MULTILINE)]
    assert link[1:] in headings if link.startswith("#") else (ROOT / link).exists()


def test_the_table_of_kinds_has_every_kind_once() -> None:
    named = [span for _where, kinds in rows(section("What you write")) for span in spans(kinds)]
    assert sorted(named) == sorted(KINDS)


def test_the_page_of_kinds_is_up_to_date() -> None:
    assert KINDS_PAGE.read_text() == kinds_page(), WRITE


def test_each_promise_names_its_tests_and_all_named_tests_exist() -> None:
    promises = re.findall(r"^\d+\. .*$", section("What it promises"), re.MULTILINE)
    written = {
        name for file in (ROOT / "tests").rglob("test_*.py") for name in re.findall(r"^def (test_\w+)", file.read_text(), re.MULTILINE)
    }
    assert len(promises) == 14
    assert all("`test_" in promise for promise in promises)
    assert {span for span in spans(TEXT) if re.fullmatch(r"test_\w+", span)} <= written


def test_the_setup_for_ci_names_what_the_workflows_read() -> None:
    setup = section("In CI, in five minutes")
    read = set(re.findall(r"\bvars\.(\w+)", "".join(file.read_text() for file in WORKFLOWS)))
    tables = rows(setup)
    assert {spans(row[0])[0] for row in tables if spans(row[0])} == read
    assert {Path(found).name for found in re.findall(r"\]\((\.github/workflows/\w+\.yml)\)", setup)} == {file.name for file in WORKFLOWS}
    names = re.findall(r"^    name: (.+)$", (ROOT / ".github/workflows/plan.yml").read_text(), re.MULTILINE)
    for check in ("Validate", "Plan prod"):
        assert check in [re.sub(r"\$\{\{.*\}\}", "prod", name) for name in names]
        assert f"`{check}`" in setup


def test_the_kind_that_is_added_works(vault: VaultClient) -> None:
    code, samples = (block.body for block in blocks(section("Adding a kind"), "python"))
    module: dict[str, Any] = {"__name__": "reconciler.kinds.oidc_role", "__package__": "reconciler.kinds"}
    exec(compile(code, "README.md", "exec", dont_inherit=True), module)  # without the future imports of this file
    kind = module["OIDC_ROLE"]
    ((sample,),) = eval(f"{{{samples.partition(chr(10))[2]}}}", {"Sample": Sample}).values()
    assert isinstance(kind, Kind)
    stand = Stand(kind, vault, sample)
    for spec, action in ((sample.spec, Action.CREATE), (sample.changed, Action.UPDATE), (None, Action.DELETE)):
        wanted = None if spec is None else stand.spec(spec)
        change = stand.reach(wanted)
        assert change is not None
        assert change.action is action
        assert stand.compare(wanted).changes == ()


def test_figures_are_those_that_the_bench_prints(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    server = type("Nowhere", (), {"address": "", "token": ""})()
    for start in ("start_bao_dev", "start_bao_raft"):
        monkeypatch.setattr(bench, start, lambda _folder: contextlib.nullcontext(server))
    monkeypatch.setattr(bench, "measure", lambda *_: Measured(1.0, 1.0, 1.0, 0, "1.0"))
    monkeypatch.setattr(bench, "median_seconds", lambda *_: 1.0)
    names = [result.what for result in bench.measurements(tmp_path, tmp_path, 10_000)]
    figures = BENCH.search(TEXT)
    assert figures is not None
    shown = [re.split(r"\s{2,}", line)[0] for line in figures[0].splitlines()[1:]]
    # What the other benches print follows.
    assert [name for name in shown if name][: len(names)] == names
