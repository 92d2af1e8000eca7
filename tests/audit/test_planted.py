"""Personal data and tokens in every free field of what a process records, and none in any file, export or search of the log."""

from __future__ import annotations

import json
import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.audit.event import FREE, OWN
from reconciler.audit.people import FOLDER
from reconciler.audit.redaction import Masks, Redactor
from reconciler.audit.scribe import About, Scribe
from reconciler.audit.search import Wanted, raw_lines, search
from tests.audit.desk import Desk
from tests.audit.test_redaction import AROUND, BEHIND, PLANTED, telling

FIELDS = sorted(FREE - {"actor", "action", "resource", "outcome"})


def fields(chance: random.Random, before: str, behind: str, planted: list[str]) -> dict[str, str]:
    """Something planted in each field. In fields for ids nothing that is spelled as theirs."""
    found = {}
    for field in FIELDS:
        text = before + PLANTED[chance.choice(sorted(PLANTED))](chance) + behind
        while field in OWN and OWN[field].fullmatch(text):
            text = before + PLANTED["card"](chance) + behind
        found[field] = text
        planted.append(text[len(before) : len(text) - len(behind)])
    return found


def record(desk: Desk, chance: random.Random, before: str, behind: str) -> list[str]:
    """A process that is given something that it should not have in every field that there is; what was planted."""
    planted: list[str] = []

    def one() -> str:
        planted.append(PLANTED[chance.choice(sorted(PLANTED))](chance))
        return before + planted[-1] + behind

    about = About("ada", one(), one(), one(), one(), one())
    with Scribe(desk.book, about, Masks(), now=desk.clock, beat=3600) as scribe:
        id = scribe.intent(one(), one(), **fields(chance, before, behind, planted), actor=one(), outcome=one())
        scribe.outcome(id, one(), **fields(chance, before, behind, planted), action=one(), resource=one())
        scribe.decision(one(), one(), **fields(chance, before, behind, planted))
        scribe.intents([(one(), one(), fields(chance, before, behind, planted)["ver_from"])])
        scribe.intent(one(), one(), **fields(chance, before, behind, planted))
    return planted


def squeezed(text: str) -> str:
    return "".join(text.split())


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**9), AROUND, BEHIND)
def test_what_is_planted_anywhere_is_nowhere_in_the_log(seed: int, before: str, behind: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(Path(folder) / "audit")
        planted = record(desk, random.Random(seed), before, behind)
        clean = Redactor(Masks(), desk.book.people.hidden)
        # Whose pseudonym is whose lies beside the log, can be erased, and is no part of it.
        files = [file for file in desk.folder.rglob("*") if file.is_file() and f"/{FOLDER}" not in str(file)]
        places = {str(file): file.read_bytes().decode(errors="replace") for file in files}
        places["export"] = b"\n".join(raw_lines(desk.book)).decode()
        places["search"] = json.dumps(
            [{**row.about, **row._asdict()} for row in search(desk.book, Wanted(), clean)], ensure_ascii=False, default=dict
        )
        places["verdict"] = str(desk.verdict())
        assert any(name.endswith("head") for name in places)
        assert len(planted) > 50
        for name, content in places.items():
            found = [one for one in planted if telling(one) in squeezed(content)]
            assert not found, (name, found)
        assert desk.verdict().ok


@pytest.mark.parametrize("sort", ["email", "card", "datadog", "github"])
def test_what_was_redacted_is_found_by_what_it_was(tmp_path: Path, sort: str) -> None:
    desk = Desk(tmp_path / "audit")
    name = f"vault.policy/{PLANTED[sort](random.Random(7))}"
    with desk.scribe() as scribe:
        scribe.outcome(scribe.intent("apply.update", name), "applied")
        assert [row.outcome for row in search(desk.book, Wanted(resource=name), scribe.clean)] == ["applied"]
