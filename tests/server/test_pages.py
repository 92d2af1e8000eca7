"""Sessions, forms and routes of the pages, over a real uvicorn: what a browser would not do, and what is shown to whom."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

import pytest

from reconciler.core.errors import Unavailable, Usage
from reconciler.core.run import AppliedVersion, ObjectRecord
from reconciler.edge.limits import Limit
from reconciler.edge.memory_limits import MemoryCounters
from reconciler.edge.network_spec import NetworkSpec
from reconciler.edge.scope import Principal
from reconciler.server.api import Api
from reconciler.server.app import Declared, composed
from reconciler.server.pages import pages
from reconciler.server.pages.browsers import ForBrowsers
from reconciler.server.pages.search import found_in
from reconciler.server.pages.sessions import IDLE_SECONDS, LONGEST_SECONDS, MOST_SESSIONS, Sessions
from reconciler.server.pages.sources import Resource, Sources
from reconciler.server.refusals import Stopped
from tests.edge.attempts import attempts
from tests.server.serving import Served
from tests.server.test_api import RUN, SEER, STRANGER, Stand, proof, standing

NAMES = [f"vault.policy/team-{number}" for number in range(250)]
ODD = "vault.policy/<b>\u202eevil"
ROWS = [Resource(name, "vault.policy", RUN.id) for name in [*NAMES, ODD]] + [Resource("webhook/github", "webhook", protected=True)]
UP: list[bool] = [True]


async def whose(token: str) -> Principal | None:
    if not UP:
        raise Unavailable("vault:8200 is down")
    return Principal("vault", token, token=token) if token in (SEER, STRANGER) else None


def versions(address: str) -> list[AppliedVersion]:
    record = ObjectRecord(address, "update", {"rules": [], "ttl": 1}, {"rules": [], "ttl": 2}, "applied")
    return [AppliedVersion(RUN, record)] if address == NAMES[0] else []


def able(path: str, capability: str, instance: str) -> list[dict[str, Any]]:
    if capability == "sudo":
        raise Usage(f"{path} is not one of {instance}")
    return [{"subject": "vault.policy/p", "via": ["vault.policy/p"]}, {"subject": "vault.auth_role/ci", "via": [], "conditional": True}]


BLOCKED = [Stopped(2.0, "signature of github", 401, "no signature", ""), Stopped(1.0, "limit", 429, "too many", "203.0.113.7", 12)]


def sources(api: Api) -> Sources:
    return Sources(api, whose, lambda _token: None, lambda: ROWS, versions, able, lambda most: BLOCKED[:most])


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def cookie(self) -> str:
        return self.headers.get("set-cookie", "").partition(";")[0]


@dataclass
class Visitor:
    """Somebody with a browser that may lie."""

    server: Served
    cookie: str = ""

    def ask(self, path: str, form: dict[str, str] | None = None, **headers: str) -> Answer:
        origin = f"http://127.0.0.1:{self.server.port}"
        sent = {"Cookie": self.cookie} if self.cookie else {}
        if form is not None:
            sent |= {"Origin": origin, "Content-Type": "application/x-www-form-urlencoded"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)) as connection:
            body = urlencode(form) if form is not None else None
            connection.request("POST" if form is not None else "GET", path, body, {name: one for name, one in sent.items() if one})
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): one for name, one in answer.getheaders()}, answer.read().decode())

    def log_in(self, token: str = SEER, going_on: str = "/ui") -> Answer:
        answer = self.ask("/ui/login", {"token": token, "next": going_on})
        self.cookie = answer.cookie
        return answer

    def form(self) -> str:
        found = re.search(r'name="form" value="(\w+)"', self.ask("/ui").text)
        assert found
        return found[1]


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stand, Served]]:
    with standing(tmp_path_factory.mktemp("pages")) as (stand, server):
        made = pages(sources(stand.api))
        stand.means = replace(
            stand.means,
            pages=made.routes,
            refusal=made.refuse,
            for_browsers=ForBrowsers,
            proofs=lambda _network: (proof, made.proof),
            counters=MemoryCounters(),
        )
        stand.live.swap(composed(Declared(), stand.means))
        yield stand, server


@pytest.fixture
def visitor(shown: tuple[Stand, Served]) -> Visitor:
    shown[0].begin_counting_anew()
    return Visitor(shown[1])


PATHS = (
    "/ui",
    "/ui/resources",
    f"/ui/resources/{NAMES[0]}",
    "/ui/runs",
    f"/ui/runs/{RUN.id}",
    "/ui/secrets",
    "/ui/access",
    "/ui/access?path=secret/data/x",
    "/ui/blocked",
)


@pytest.mark.parametrize("path", PATHS)
def test_each_page_is_shown_to_who_may_see_it_and_to_nobody_else(visitor: Visitor, path: str) -> None:
    stranger = visitor.ask(path)
    assert (stranger.status, "Vault token" in stranger.text, "genesis" in stranger.text) == (401, True, False)
    visitor.log_in()
    assert visitor.ask(path).status == 200
    visitor.log_in(STRANGER)
    refused = visitor.ask(path)
    assert (refused.status, "may not read the ledger" in refused.text, "genesis" in refused.text) == (403, True, False)


def test_no_way_round_leads_to_a_page_without_a_proof(visitor: Visitor, shown: tuple[Stand, Served]) -> None:
    declared = Declared(limits=[Limit("wide", 1_000_000)], network=NetworkSpec.model_validate({"exempt": ["127.0.0.1"]}))
    shown[0].live.swap(composed(declared, shown[0].means))
    for path in ("/ui", "/ui/runs"):
        for one in attempts(path, visitor.server.port, "/health/live"):
            answer = visitor.server.ask(one.path, *one.headers, method=one.method)
            assert 400 <= answer.status < 500, one
            assert b"genesis" not in answer.body, one


def test_a_path_that_is_no_page_is_told_apart_from_one_only_after_the_login(visitor: Visitor) -> None:
    assert (visitor.ask("/ui/none").status, visitor.ask("/ui/runs/ffffffffffff").status) == (401, 401)
    visitor.log_in()
    asked = ("/ui/none", "/ui/runs/ffffffffffff", "/ui/runs/x", "/ui/resources/vault.policy/none")
    assert [visitor.ask(path).status for path in asked] == [404, 404, 404, 404]
    assert visitor.ask("/none").status == 401, "the cookie proves nothing there"


def test_the_cookie_opens_no_other_path_than_pages(visitor: Visitor) -> None:
    visitor.log_in()
    assert [visitor.ask(path).status for path in ("/api/v1/status", "/metrics", "/uix")] == [401, 401, 401]
    assert visitor.ask("/api/v1/look", {}).status == 401


def test_the_cookie_is_for_this_host_alone_and_out_of_reach_of_scripts(visitor: Visitor) -> None:
    answer = visitor.log_in()
    assert (answer.status, answer.headers["location"]) == (303, "/ui")
    attributes = {one.strip().lower() for one in answer.headers["set-cookie"].split(";")[1:]}
    assert attributes == {"httponly", "samesite=strict", "path=/"}
    assert SEER not in answer.headers["set-cookie"]
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    page = visitor.ask("/ui")
    assert page.headers["cache-control"] == "no-store"
    assert not re.search(r"<script|<style|\sstyle=|\son\w+=|https?://(?!www\.w3\.org)", page.text)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "https://127.0.0.1"},
        {"Content_Type": "text/plain"},
        {"Content_Type": "multipart/form-data; boundary=x"},
    ],
    ids=str,
)
def test_a_form_that_another_page_sends_logs_nobody_in_or_out(visitor: Visitor, headers: dict[str, str]) -> None:
    answer = visitor.ask("/ui/login", {"token": SEER, "next": "/ui"}, **headers)
    assert (answer.status, answer.cookie) == (400, "")
    visitor.log_in()
    form = visitor.form()
    assert visitor.ask("/ui/logout", {"form": form}, **headers).status == 400
    assert visitor.ask("/ui/logout", {"form": "0" * 64}).status == 400
    assert visitor.ask("/ui/logout", {"form": "é"}).status == 400
    assert visitor.ask("/ui").status == 200, "still logged in"
    assert visitor.ask("/ui/logout", {"form": form}).status == 200
    assert visitor.ask("/ui").status == 401


@pytest.mark.parametrize(
    "path", ["//evil.example", "https://evil.example", "/ui\\evil", "/uievil", "/ui/\r\nx: y", "/api/v1/status", "/ui/é", "/ui#x"]
)
def test_a_login_leads_nowhere_but_to_a_page(visitor: Visitor, path: str) -> None:
    assert visitor.log_in(going_on=path).headers["location"] == "/ui"
    assert visitor.log_in(going_on="/ui/resources?q=a+b").headers["location"] == "/ui/resources?q=a+b"


@pytest.mark.parametrize("token", ["", "made-" + "up", "with blank", "é", "x" * 9000, "line\nbreak"], ids=lambda token: repr(token[:12]))
def test_a_token_that_vault_does_not_know_opens_nothing(visitor: Visitor, token: str) -> None:
    answer = visitor.ask("/ui/login", {"token": token, "next": "/ui"})
    assert (answer.status, answer.cookie) == (401, "")
    assert not token or token not in answer.text


def test_forms_that_are_odd_are_refused_without_an_error(visitor: Visitor) -> None:
    for body in ("a=%ff", "&" * 50 + "a=1", "token=a&token=b", "token=" + "x" * 30_000):
        with closing(http.client.HTTPConnection("127.0.0.1", visitor.server.port, timeout=60)) as connection:
            headers = {"Origin": f"http://127.0.0.1:{visitor.server.port}", "Content-Type": "application/x-www-form-urlencoded"}
            connection.request("POST", "/ui/login", body, headers)
            assert connection.getresponse().status in (400, 401)


@pytest.mark.parametrize(
    "cookie", ["reconciler=", "reconciler=x", "reconciler", "reconciler=a; reconciler=b", 'reconciler="\\377"', "é" * 9]
)
def test_cookies_that_are_made_up_prove_nobody(visitor: Visitor, cookie: str) -> None:
    visitor.cookie = cookie.encode().decode("latin-1")
    assert visitor.ask("/ui").status == 401


def test_when_vault_or_the_ledger_is_away_pages_say_so(visitor: Visitor, shown: tuple[Stand, Served]) -> None:
    visitor.log_in()
    shown[0].failing = True
    assert (visitor.ask("/ui/runs").status, "vault:8200" in visitor.ask("/ui/runs").text) == (503, False)
    shown[0].failing = False
    UP.clear()
    try:
        assert visitor.ask("/ui").status == 503
        answer = Visitor(visitor.server).ask("/ui/login", {"token": SEER, "next": "/ui"})
        assert (answer.status, answer.cookie) == (503, "")
    finally:
        UP.append(True)


def browse(visitor: Visitor, path: str, **headers: str) -> Answer:
    return visitor.ask(path, None, Accept="text/html,application/xhtml+xml,*/*;q=0.8", **headers)


def is_page(answer: Answer) -> bool:
    assert (answer.headers["content-type"] == "text/html; charset=utf-8") == answer.text.startswith("<!doctype html>")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    return answer.text.startswith("<!doctype html>")


def test_what_the_edge_refuses_is_a_page_for_browsers_and_json_for_programs(visitor: Visitor, shown: tuple[Stand, Served]) -> None:
    stand = shown[0]

    def served_with(declared: Declared) -> None:
        stand.live.swap(composed(declared, replace(stand.means, counters=MemoryCounters())))

    for path in ("/", "/favicon.ico", "/ui", "/nothing"):
        answer = browse(visitor, path)
        assert (answer.status, is_page(answer), "Vault token" in answer.text) == (401, True, True), path
        assert "www-authenticate" not in answer.headers
    assert (visitor.ask("/").status, is_page(visitor.ask("/"))) == (401, False)
    served_with(Declared(limits=[Limit("few", 1)]))
    assert browse(visitor, "/").status == 401
    answer = browse(visitor, "/ui")
    assert (answer.status, is_page(answer), "Too many requests" in answer.text, "retry-after" in answer.headers) == (429, True, True, True)
    assert (visitor.ask("/ui").status, is_page(visitor.ask("/ui"))) == (429, False)
    assert (browse(visitor, "/api/v1/status").status, is_page(browse(visitor, "/api/v1/status"))) == (429, False)
    served_with(Declared(network=NetworkSpec.model_validate({"deny": ["127.0.0.0/8"]})))
    answer = browse(visitor, "/ui")
    assert (answer.status, is_page(answer), "may not read the ledger" in answer.text) == (403, True, False)
    served_with(Declared())
    answer = browse(visitor, "/ui", Host="evil.example")
    assert (answer.status, is_page(answer)) == (421, True)


def test_while_vault_cannot_be_asked_browsers_read_so_and_the_api_stays_json(visitor: Visitor) -> None:
    visitor.log_in()
    UP.clear()
    try:
        answer = browse(visitor, "/ui/runs")
        assert (answer.status, is_page(answer), "Not now" in answer.text) == (503, True, True)
        assert (visitor.ask("/ui/runs").status, is_page(visitor.ask("/ui/runs"))) == (503, False)
    finally:
        UP.append(True)


def test_health_and_the_api_are_json_for_browsers_too(visitor: Visitor) -> None:
    for path in ("/health/ready", "/api/v1/status", "/metrics", "/openapi.json"):
        assert not is_page(browse(visitor, path)), path


def test_a_list_is_searched_by_words_and_shown_in_parts(visitor: Visitor) -> None:
    visitor.log_in()
    found = visitor.ask("/ui/resources?q=TEAM+24")
    assert set(re.findall(r">(vault\.policy/[^<]*)</a>", found.text)) == {name for name in NAMES if "24" in name}
    assert "252 found" in visitor.ask("/ui/resources").text
    assert "Page 3 of 3" in visitor.ask("/ui/resources?page=99").text
    assert "Page 1 of 3" in visitor.ask("/ui/resources?page=-1").text
    assert "1 found" in visitor.ask("/ui/resources?kind=webhook").text
    assert "Nothing matches." in visitor.ask("/ui/resources?q=absent").text


def test_nothing_that_is_shown_is_taken_for_markup_or_hides_what_is_beside_it(visitor: Visitor) -> None:
    visitor.log_in()
    text = visitor.ask("/ui/resources?" + urlencode({"q": '"><b>\u202e'})).text
    assert ("<b>" in text, "\u202e" in text) == (False, False)
    text = visitor.ask("/ui/resources?q=evil").text
    assert ("<b>" in text, "\u202e" in text, "&lt;b&gt;\\u202eevil" in text) == (False, False, True)


def test_a_change_is_shown_field_by_field(visitor: Visitor) -> None:
    visitor.log_in()
    text = visitor.ask(f"/ui/resources/{NAMES[0]}").text
    assert re.search(r'changed</td><th scope="row">ttl</th><td><del>1</del></td><td><ins>2</ins>', text)
    assert "vault.policy/p" in visitor.ask(f"/ui/runs/{RUN.id}").text


def secret(path: str, due: str | None) -> dict[str, Any]:
    """A row as `rotate status -o json` has it."""
    told = {"type": "random", "phase": "IDLE", "stage": None, "warn": False, "failures": 0}
    return {"path": path, "last_rotated": due and "2026-01-01T00:00:00Z", "next_due": due, "overdue": path == "late", **told}


def test_rotations_are_told_by_what_is_due_first(visitor: Visitor, shown: tuple[Stand, Served]) -> None:
    visitor.log_in()
    assert "Not looked at yet." in visitor.ask("/ui/secrets").text
    rows = [secret("never", None), secret("soon", "2099-01-02T00:00:00Z"), secret("late", "2026-01-02T00:00:00Z")]
    shown[0].notes.write("secrets", {"at": 1.0, "rows": rows})
    text = visitor.ask("/ui/secrets").text
    assert re.findall(r'<th scope="row"><code>(\w+)', text) == ["late", "soon", "never"]
    passed = [int(percent) for percent in re.findall(r'<progress max="100" value="(\d+)"', text)]
    assert (len(passed), passed[0]) == (2, 100)
    assert passed[1] < 100
    assert '<strong class="bad">1</strong> of 3' in visitor.ask("/ui").text
    shown[0].notes.strike("secrets")


def test_who_can_reach_a_path_is_told_with_what_allows_it(visitor: Visitor) -> None:
    visitor.log_in()
    assert "vault.auth_role/ci" not in visitor.ask("/ui/access").text
    text = visitor.ask("/ui/access?path=secret/data/x&capability=read").text
    assert ("vault.auth_role/ci" in text, "under a condition" in text) == (True, True)
    wrong = visitor.ask("/ui/access?path=%3Cb%3E&capability=sudo")
    assert (wrong.status, "&lt;b&gt; is not one of primary" in wrong.text) == (200, True)


def test_the_latest_refusals_are_told_with_how_often_they_were(visitor: Visitor) -> None:
    visitor.log_in()
    text = visitor.ask("/ui/blocked").text
    assert text.index("signature of github") < text.index("203.0.113.7")
    assert "<td>429</td><td>12</td>" in text


def test_a_lockdown_is_told_on_every_page(visitor: Visitor, shown: tuple[Stand, Served]) -> None:
    visitor.log_in()
    assert "Locked down" not in visitor.ask("/ui").text
    locked = pages(sources(replace(shown[0].api, closed=lambda: "a breach, says olga")))
    means = replace(shown[0].means, pages=locked.routes, proofs=lambda _network: (locked.proof,), counters=MemoryCounters())
    shown[0].live.swap(composed(Declared(), means))
    visitor.log_in()
    assert all("a breach, says olga" in visitor.ask(path).text for path in PATHS)


def test_a_session_ends_when_it_is_idle_or_old_and_there_are_never_too_many() -> None:
    now = [0.0]
    sessions = Sessions(lambda: now[0])
    cookie = sessions.begin(SEER)
    while now[0] + IDLE_SECONDS - 1 < LONGEST_SECONDS:
        now[0] += IDLE_SECONDS - 1
        assert sessions.token(cookie) == SEER
    now[0] = LONGEST_SECONDS
    assert sessions.token(cookie) == ""
    idle = sessions.begin(SEER)
    now[0] += IDLE_SECONDS
    assert sessions.token(idle) == ""
    first = sessions.begin(SEER)
    others = [sessions.begin(SEER) for _ in range(MOST_SESSIONS)]
    assert (sessions.token(first), sessions.token(others[0])) == ("", SEER)


def test_no_token_lies_readable_among_the_sessions() -> None:
    sessions = Sessions()
    token = "hvs." + "q7" * 20
    cookie = sessions.begin(token)
    held = b"".join(one.sealed for one in sessions._kept.values()) + b"".join(sessions._kept)
    assert token.encode() not in held
    assert cookie.encode() not in held
    assert sessions.token(cookie) == token


def test_words_are_found_in_any_case_and_order() -> None:
    rows = [Resource("vault.policy/Team-A", "vault.policy"), Resource("vault.policy/b", "vault.policy")]
    assert [row.address for row in found_in(rows, " a TEAM ")] == ["vault.policy/Team-A"]
    assert found_in(rows, "", "aws.iam.role") == []
    assert found_in(rows, "") == rows
