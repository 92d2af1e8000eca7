"""Whose a request was, counted from responses alone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from reconciler.core.address import Address, Place
from reconciler.devicelog import tally as counting
from reconciler.devicelog.runs import Ours, Run, Told
from reconciler.devicelog.tally import Tally, by_run
from reconciler.devicelog.visits import LONGEST, Ending, Login, Visit, visit_of

NOON = datetime(2027, 1, 15, 12, tzinfo=UTC).timestamp()


def at(seconds: float) -> str:
    return datetime.fromtimestamp(NOON + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def visit(
    seconds: float,
    path: str = "kv/data/x",
    operation: str = "read",
    token: str = "t",
    run: str = "",
    ending: Ending = "done",
    role: str = "",
) -> Visit:
    return Visit(at(seconds), ending, operation, path, "", "10.0.0.1", token, "approle", "", role, run)


RUN = Run("r1", "apply", NOON, NOON + 60)
WROTE = Told("r1", "approle/ci", NOON + 10, NOON + 11)
WRITES = "auth/approle/role/ci"


def requests(*visits: Visit, runs: tuple[Run, ...] = (RUN,), told: tuple[Told, ...] = (WROTE,)) -> dict[str, tuple[int, str]]:
    tally = Tally(ours=Ours(runs, told))
    tally.add(visits)
    return {run: (use.requests, use.by) for run, use in by_run(tally).items()}


def test_what_a_run_read_before_it_wrote_is_its_own_once_it_wrote() -> None:
    assert requests(visit(-30), visit(10, WRITES, "update"), visit(50, "kv/data/y")) == {"r1": (3, "time")}
    assert requests(visit(-30), visit(50, "kv/data/y")) == {}


def test_another_token_or_another_time_is_not_ours() -> None:
    assert requests(visit(10, WRITES, "update"), visit(20, token="other")) == {"r1": (1, "time")}
    assert requests(visit(40, WRITES, "update")) == {}, "nobody told of that"
    assert requests(visit(10, "auth/approle/role/cix", "update")) == {}
    assert requests(visit(10, WRITES, "update", ending="denied")) == {}
    assert requests(visit(10, WRITES, "update"), visit(600)) == {"r1": (1, "time")}, "the token is used after the run, too"


def test_the_header_counts_while_the_run_goes_on() -> None:
    assert requests(visit(5, run="r1"), visit(6, "kv/data/y", token="u", run="r1")) == {"r1": (2, "header")}
    assert requests(visit(5, run="r1"), visit(7)) == {"r1": (2, "header")}, "the token is known by now"
    assert requests(visit(900, run="r1")) == {}, "afterwards anybody may have read it somewhere"
    assert requests(visit(5, run="r2")) == {}


def test_of_two_runs_at_once_each_has_the_requests_of_its_token() -> None:
    other = Run("r2", "rotate", NOON + 5, NOON + 30)
    told = (WROTE, Told("r2", "db/orders", NOON + 12, NOON + 13))
    visits = (
        visit(10, WRITES, "update"),
        visit(12, "genesis/data/db/orders", "update", token="u"),
        visit(14, token="u"),
    )
    assert requests(*visits, runs=(RUN, other), told=told) == {"r1": (1, "time"), "r2": (2, "time")}


def test_a_token_of_before_the_first_line_is_known_by_the_role_that_is_declared() -> None:
    ci = Address("vault.approle_role", "deep/approle/ci", Place("primary", "team"))
    tally = Tally(home="genesis", declared=[ci, Address("vault.approle_role", "other/ci")])
    shown = visit(0, role="ci")._replace(namespace="genesis/team", display="genesis-team-auth-deep-approle")
    tally.add([shown, shown._replace(namespace="elsewhere", token="v"), shown._replace(display="genesis-auth-unheard-of")])
    assert {what.subject: use.count for what, use in tally.uses.items()} == {str(ci): 1, "genesis-auth-unheard-of (ci)": 1}
    assert tally.elsewhere == 1


def test_a_login_before_the_period_tells_whose_the_token_is_in_it() -> None:
    tally = Tally()
    login = visit(0, "auth/approle/login", "update", ending="login")._replace(login=Login("vault.approle_role", "approle/ci", ""))
    tally.add([login, visit(100)], since=at(50))
    assert [what.subject for what in tally.uses] == ["vault.approle_role/approle/ci"]
    assert tally.requests == 1


@pytest.mark.parametrize("time", ["", "yesterday", "2027-01-15", "2027-13-45T12:00:00Z"])
def test_a_line_without_a_moment_is_no_visit(time: str) -> None:
    line = {"type": "response", "time": at(0), "request": {"path": "kv/data/x", "client_token": "t"}, "auth": {"display_name": "d"}}
    assert visit_of(line) is not None
    assert visit_of({**line, "time": time}) is None


def test_strangers_cannot_fill_the_memory() -> None:
    long = {
        "type": "response",
        "time": at(0),
        "request": {"path": "kv/" + "x" * 1_000_000, "client_token": "t"},
        "auth": {"display_name": "d"},
    }
    seen = visit_of(long)
    assert seen is not None
    assert len(seen.path) == LONGEST
    tally = Tally()
    strangers = range(counting.MOST_PLACES + 5)
    tally.add(visit(0, token="", ending="failed login")._replace(address=f"10.{number}") for number in strangers)
    assert len(tally.failed_logins) == counting.MOST_PLACES
    assert tally.uncounted == 5
    tally.add(visit(0, f"auth/{number}/login", token="", ending="failed login")._replace(address="10.1") for number in range(100))
    assert len(tally.failed_logins["10.1"].paths) == counting.SHOWN
    assert tally.failed_logins["10.1"].count == 101
