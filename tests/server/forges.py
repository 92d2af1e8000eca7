"""A small GitHub and a small GitLab: answers as their documents show them, cut to what is read, over one state."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

BOT = "reconciler-bot"
TOKEN = "forge-" + "token"
REPOSITORY = "genesis/state"
FORGES = ("github", "gitlab")
GITLAB_LEVELS = {"admin": 50, "maintain": 40, "write": 30, "read": 20}


class Answer(NamedTuple):
    status: int
    body: Any


@dataclass
class StandIn:
    """A repository with pull requests. Tests change it; the servers serve it and keep what is posted."""

    sort: str = "github"
    pulls: dict[int, dict[str, Any]] = field(default_factory=dict)
    comments: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)
    checks: list[tuple[str, str, str, str]] = field(default_factory=list)
    """(commit, name, state, title), in the order of posting."""
    statuses: list[tuple[str, str, str, str]] = field(default_factory=list)
    may_check: bool = True
    is_app: bool = False
    broken: int = 0
    """A status that every request is answered with."""
    requests: list[str] = field(default_factory=list)
    address: str = ""

    def open_pull(self, number: int, head: str, *, author: str = "alice", fork: bool = False, branch: str = "main") -> None:
        self.pulls[number] = {"head": head, "author": author, "fork": fork, "branch": branch, "state": "open", "merged_as": ""}
        self.pulls[number]["made"] = "2099-01-01T00:00:00Z"
        self.comments.setdefault(number, [])

    def merge(self, number: int, commit: str) -> None:
        self.pulls[number].update(state="merged", merged_as=commit)

    def say(self, number: int, author: str, body: str, *, made: str = "2099-01-01T00:00:00Z", edited: bool = False) -> str:
        id = str(1000 + sum(map(len, self.comments.values())))
        written = {"id": int(id), "author": author, "body": body, "made": made, "updated": "2099-01-02T00:00:00Z" if edited else made}
        self.comments[number].append(written)
        return id

    def touched(self, number: int) -> str:
        """When something last happened to a pull request."""
        return max([str(self.pulls[number]["made"]), *(str(one["updated"]) for one in self.comments[number])])

    def bodies(self, number: int, author: str = BOT) -> list[str]:
        return [one["body"] for one in self.comments[number] if one["author"] == author]

    def verdicts(self, commit: str) -> dict[str, str]:
        """How the checks of a commit stand, by name."""
        return {name: state for on, name, state, _title in (*self.checks, *self.statuses) if on == commit}

    def answer(self, method: str, path: str, body: Any) -> Answer:
        if self.broken:
            return Answer(self.broken, {"message": "leaky body"})
        routes = _GITHUB if self.sort == "github" else _GITLAB
        for wanted, pattern, reply in routes:
            found = re.fullmatch(pattern, path)
            if found and wanted == method:
                return reply(self, body, *map(unquote, found.groups()))
        return Answer(404, {"message": "Not Found"})


Reply = Callable[..., Answer]


def _github_pull(state: StandIn, number: int) -> dict[str, Any]:
    one = state.pulls[number]
    home = {"id": 1, "full_name": REPOSITORY}
    return {
        "id": number * 11,
        "number": number,
        "state": "open" if one["state"] == "open" else "closed",
        "title": "A change",
        "user": {"login": one["author"], "id": 5, "type": "User"},
        "head": {"ref": "topic", "sha": one["head"], "repo": {"id": 2, "full_name": "mallory/state"} if one["fork"] else home},
        "base": {"ref": one["branch"], "sha": "0" * 40, "repo": home},
        "merged_at": "2026-01-01T00:00:00Z" if one["state"] == "merged" else None,
        # GitHub names a test merge here while a pull request is open.
        "merge_commit_sha": one["merged_as"] or "f" * 40,
        "updated_at": state.touched(number),
    }


def _github_comment(one: dict[str, Any]) -> dict[str, Any]:
    user = {"login": one["author"], "id": 5, "type": "User"}
    return {"id": one["id"], "body": one["body"], "user": user, "created_at": one["made"], "updated_at": one["updated"]}


def _github_me(state: StandIn, _body: Any) -> Answer:
    if state.is_app:
        return Answer(403, {"message": "Resource not accessible by integration"})
    return Answer(200, {"login": BOT, "id": 9})


def _github_check(state: StandIn, body: Any) -> Answer:
    if not state.may_check:
        return Answer(403, {"message": "You must authenticate via a GitHub App."})
    state.checks.append((body["head_sha"], body["name"], body.get("conclusion", body["status"]), body["output"]["title"]))
    return Answer(201, {"id": len(state.checks)})


def _github_status(state: StandIn, body: Any, commit: str) -> Answer:
    state.statuses.append((commit, body["context"], body["state"], body["description"]))
    return Answer(201, {"id": len(state.statuses)})


def _post(shape: Callable[[dict[str, Any]], Any]) -> Reply:
    def reply(state: StandIn, body: Any, number: str) -> Answer:
        state.say(int(number), BOT, body["body"])
        return Answer(201, shape(state.comments[int(number)][-1]))

    return reply


def _edit(state: StandIn, body: Any, *ids: str) -> Answer:
    for one in (one for all_ in state.comments.values() for one in all_):
        if str(one["id"]) == ids[-1]:
            one.update(body=body["body"], updated="2099-01-03T00:00:00Z")
            return Answer(200, {})
    return Answer(404, {})


def _some_pull(shape: Callable[[StandIn, int], Any]) -> Reply:
    def reply(state: StandIn, _body: Any, number: str) -> Answer:
        return Answer(200, shape(state, int(number))) if int(number) in state.pulls else Answer(404, {})

    return reply


def _open_pulls(shape: Callable[[StandIn, int], Any]) -> Reply:
    return lambda state, _body: Answer(200, [shape(state, number) for number, one in state.pulls.items() if one["state"] == "open"])


def _touched_pulls(shape: Callable[[StandIn, int], Any]) -> Reply:
    def reply(state: StandIn, _body: Any) -> Answer:
        return Answer(200, [shape(state, number) for number in sorted(state.pulls, key=state.touched, reverse=True)][:100])

    return reply


def _pulls_of(shape: Callable[[StandIn, int], Any]) -> Reply:
    def reply(state: StandIn, _body: Any, commit: str) -> Answer:
        found = [number for number, one in state.pulls.items() if commit in (one["merged_as"], one["head"])]
        return Answer(200, [shape(state, number) for number in found])

    return reply


def _github_role(state: StandIn, _body: Any, login: str) -> Answer:
    name = state.roles.get(login)
    return Answer(200, {"permission": {"maintain": "write"}.get(name, name), "role_name": name}) if name else Answer(404, {})


_GITHUB: tuple[tuple[str, str, Reply], ...] = (
    ("GET", "/user", _github_me),
    ("POST", "/graphql", lambda _state, _body: Answer(200, {"data": {"viewer": {"login": BOT}}})),
    ("GET", f"/repos/{REPOSITORY}/pulls", _open_pulls(_github_pull)),
    ("GET", f"/repos/{REPOSITORY}/pulls/latest", _touched_pulls(_github_pull)),
    ("GET", f"/repos/{REPOSITORY}/pulls/(\\d+)", _some_pull(_github_pull)),
    ("GET", f"/repos/{REPOSITORY}/commits/(\\w+)/pulls", _pulls_of(_github_pull)),
    (
        "GET",
        f"/repos/{REPOSITORY}/issues/(\\d+)/comments",
        lambda state, _body, number: Answer(200, list(map(_github_comment, state.comments[int(number)]))),
    ),
    ("POST", f"/repos/{REPOSITORY}/issues/(\\d+)/comments", _post(_github_comment)),
    ("PATCH", f"/repos/{REPOSITORY}/issues/comments/(\\d+)", _edit),
    ("GET", f"/repos/{REPOSITORY}/collaborators/([^/]+)/permission", _github_role),
    ("POST", f"/repos/{REPOSITORY}/check-runs", _github_check),
    ("POST", f"/repos/{REPOSITORY}/statuses/(\\w+)", _github_status),
)


def _gitlab_pull(state: StandIn, number: int) -> dict[str, Any]:
    one = state.pulls[number]
    return {
        "id": number * 11,
        "iid": number,
        "project_id": 3,
        "state": {"open": "opened"}.get(one["state"], one["state"]),
        "title": "A change",
        "author": {"id": 5, "username": one["author"], "state": "active"},
        "source_branch": "topic",
        "target_branch": one["branch"],
        "source_project_id": 4 if one["fork"] else 3,
        "target_project_id": 3,
        "sha": one["head"],
        "merge_commit_sha": one["merged_as"] or None,
        "squash_commit_sha": None,
        "updated_at": state.touched(number).replace("Z", ".123Z"),
    }


def _gitlab_note(one: dict[str, Any]) -> dict[str, Any]:
    author = {"id": 5, "username": one["author"]}
    moments = {name: one[key].replace("Z", ".123Z") for name, key in (("created_at", "made"), ("updated_at", "updated"))}
    return {"id": one["id"], "body": one["body"], "author": author, "system": False, "noteable_type": "MergeRequest", **moments}


def _gitlab_notes(state: StandIn, _body: Any, number: str) -> Answer:
    notes = list(map(_gitlab_note, state.comments[int(number)]))
    return Answer(
        200,
        [
            {
                **_gitlab_note(
                    {
                        "id": 1,
                        "body": "added 1 commit",
                        "author": "alice",
                        "made": "2020-01-01T00:00:00Z",
                        "updated": "2020-01-01T00:00:00Z",
                    }
                ),
                "system": True,
            },
            *notes,
        ],
    )


def _gitlab_member(state: StandIn, _body: Any, id: str) -> Answer:
    names = sorted(state.roles)
    level = GITLAB_LEVELS[state.roles[names[int(id)]]] if int(id) < len(names) else 0
    return Answer(200, {"id": int(id), "access_level": level}) if level else Answer(404, {"message": "404 Not found"})


def _gitlab_status(state: StandIn, body: Any, commit: str) -> Answer:
    was = state.verdicts(commit).get(body["name"])
    if was == body["state"] == "running":
        return Answer(400, {"message": "Cannot transition status via :run from :running"})
    state.checks.append((commit, body["name"], body["state"], body["description"]))
    return Answer(201, {"id": len(state.checks), "status": body["state"]})


_PROJECT = "/api/v4/projects/genesis%2Fstate"
_GITLAB: tuple[tuple[str, str, Reply], ...] = (
    ("GET", "/api/v4/user", lambda _state, _body: Answer(200, {"id": 9, "username": BOT})),
    ("GET", f"{_PROJECT}/merge_requests", _open_pulls(_gitlab_pull)),
    ("GET", f"{_PROJECT}/merge_requests/latest", _touched_pulls(_gitlab_pull)),
    ("GET", f"{_PROJECT}/merge_requests/(\\d+)", _some_pull(_gitlab_pull)),
    ("GET", f"{_PROJECT}/repository/commits/(\\w+)/merge_requests", _pulls_of(_gitlab_pull)),
    ("GET", f"{_PROJECT}/merge_requests/(\\d+)/notes", _gitlab_notes),
    ("POST", f"{_PROJECT}/merge_requests/(\\d+)/notes", _post(_gitlab_note)),
    ("PUT", f"{_PROJECT}/merge_requests/(\\d+)/notes/(\\d+)", _edit),
    ("GET", f"{_PROJECT}/members/all/(\\d+)", _gitlab_member),
    ("POST", f"{_PROJECT}/statuses/(\\w+)", _gitlab_status),
)


@contextmanager
def forge_server(sort: str) -> Iterator[StandIn]:
    """Serve a stand-in on loopback. It answers 401 to every token but TOKEN."""
    state = StandIn(sort)

    class Requests(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet: two would wait for each other's acknowledgement

        def log_message(self, *_: Any) -> None:
            pass

        def _serve(self) -> None:
            text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            given = {self.headers.get("Authorization", "").partition(" ")[2], self.headers.get("PRIVATE-TOKEN", "")}
            url = urlsplit(self.path)
            state.requests.append(f"{self.command} {url.path}")
            if TOKEN not in given:
                reply = Answer(401, {"message": "Bad credentials"})
            elif url.path == "/api/v4/users":
                names = sorted(state.roles)
                wanted = dict(pair.split("=") for pair in url.query.split("&"))["username"]
                reply = Answer(200, [{"id": number, "username": name} for number, name in enumerate(names) if name == wanted])
            else:
                sorted_ = "/latest" if "updated" in url.query else ""  # the one list that is asked for in two ways
                reply = state.answer(self.command, url.path + sorted_, json.loads(text or "null"))
            body = json.dumps(reply.body).encode()
            self.send_response(reply.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = do_PUT = _serve

    server = ThreadingHTTPServer(("127.0.0.1", 0), Requests)
    server.daemon_threads = True
    state.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
