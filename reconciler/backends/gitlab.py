"""GitLab as a forge, through python-gitlab: the client that GitLab's own documents name, kept up, typed and synchronous."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..core.errors import Denied, Missing, Unavailable
from ..core.forge import Check, Comment, Pull, Role, Verdict
from .forge_answers import refusal

if TYPE_CHECKING:  # slow to import, and only the server needs it
    from gitlab import Gitlab
    from gitlab.v4.objects import Project

SECONDS = 15
PUBLIC_API = "https://gitlab.com"
LONGEST_TITLE = 255  # of a commit status
REPORTER, DEVELOPER, MAINTAINER = 20, 30, 40
_STATES = {Verdict.PENDING: "running", Verdict.SUCCESS: "success", Verdict.FAILURE: "failed"}
_PULL_STATES = {"opened": "open", "merged": "merged", "closed": "closed", "locked": "closed"}


class GitLabForge:
    """One project, `GROUP/NAME`. Safe to use from one thread at a time."""

    def __init__(self, api: str, project: str, token: Callable[[], str]) -> None:
        self._api = (api or PUBLIC_API).removesuffix("/").removesuffix("/api/v4")
        self._name = project
        self._token = token

    @cached_property
    def _gitlab(self) -> Gitlab:
        from gitlab import Gitlab

        # A page's links may name another host than the one that we were told of: the token goes to ours alone.
        return Gitlab(self._api, private_token=self._token(), timeout=SECONDS, per_page=100, user_agent="reconciler", keep_base_url=True)

    @cached_property
    def _project(self) -> Project:
        return self._gitlab.projects.get(self._name, lazy=True)

    @cached_property
    def _me(self) -> str:
        self._gitlab.auth()
        user = self._gitlab.user
        return str(user.username) if user else ""

    def me(self) -> str:
        with _translated("who the forge's token belongs to"):
            return self._me

    def pull(self, number: int) -> Pull | None:
        try:
            with _translated(f"merge request {number}"):
                return _pull(self._project.mergerequests.get(number).attributes)
        except Missing:
            return None

    def open_pulls(self, branch: str) -> tuple[Pull, ...]:
        with _translated("the open merge requests"):
            found = self._project.mergerequests.list(state="opened", target_branch=branch, iterator=True)
            return tuple(_pull(one.attributes) for one in found)

    def touched_pulls(self, branch: str) -> tuple[Pull, ...]:
        with _translated("the latest merge requests"):
            found = self._project.mergerequests.list(target_branch=branch, order_by="updated_at", sort="desc", get_all=False)
            return tuple(_pull(one.attributes) for one in found)

    def merged_as(self, commit: str) -> Pull | None:
        with _translated(f"the merge request of commit {commit[:7]}"):
            listed = self._project.commits.get(commit, lazy=True).merge_requests()
            found = [_pull(one) for one in listed if isinstance(one, dict)]
        return next((one for one in found if one.state == "merged" and one.merged_as == commit), None)

    def comments(self, number: int) -> tuple[Comment, ...]:
        with _translated(f"the comments of merge request {number}"):
            notes = self._project.mergerequests.get(number, lazy=True).notes.list(sort="asc", order_by="created_at", iterator=True)
            return tuple(
                Comment(
                    str(one.id),
                    one.author["username"],
                    one.body,
                    _seconds(one.created_at),
                    _seconds(one.updated_at) != _seconds(one.created_at),
                )
                for one in notes
                if not one.system
            )

    def comment(self, number: int, body: str) -> None:
        with _translated(f"a comment on merge request {number}"):
            self._project.mergerequests.get(number, lazy=True).notes.create({"body": body})

    def edit(self, number: int, comment: str, body: str) -> None:
        with _translated(f"a comment on merge request {number}"):
            self._project.mergerequests.get(number, lazy=True).notes.update(int(comment), {"body": body})

    def role(self, login: str) -> Role:
        try:
            with _translated(f"what {login} may do"):
                users = self._gitlab.users.list(username=login, get_all=False)
                level = self._project.members_all.get(users[0].id).access_level if users else 0
        except Missing:
            return Role.NONE
        return Role((level >= REPORTER) + (level >= DEVELOPER) + (level >= MAINTAINER))

    def check(self, commit: str, check: Check) -> None:
        from gitlab import GitlabCreateError

        status = {"state": _STATES[check.verdict], "name": check.name, "description": check.title[:LONGEST_TITLE]}
        with _translated(f"the status {check.name}"):
            try:
                self._project.commits.get(commit, lazy=True).statuses.create(status)
            except GitlabCreateError as error:
                if error.response_code != 400 or "transition" not in str(error.error_message):
                    raise  # GitLab refuses to make a status what it is already

    def head_ref(self, number: int) -> str:
        return f"refs/merge-requests/{number}/head"


def _pull(raw: dict[str, Any]) -> Pull:
    state = _PULL_STATES.get(raw["state"], "closed")
    # A fast-forward makes no commit of its own.
    became = raw.get("merge_commit_sha") or raw.get("squash_commit_sha") or raw["sha"]
    return Pull(
        raw["iid"],
        state,
        raw["sha"],
        raw["target_branch"],
        raw["author"]["username"],
        raw["source_project_id"] != raw["target_project_id"],
        became if state == "merged" else "",
        _seconds(raw["updated_at"]) if raw.get("updated_at") else "",
    )


def _seconds(moment: str) -> str:
    """`2026-01-02T03:04:05.678Z` without the fraction."""
    return moment.partition(".")[0].removesuffix("Z") + "Z"


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """Let nothing of the client's out: its errors hold whole bodies."""
    from gitlab import GitlabAuthenticationError, GitlabError
    from requests import RequestException

    try:
        yield
    except GitlabAuthenticationError:
        raise Denied(f"GitLab: {what}: the token is not accepted (`forge.token`)", path=what, capability="token") from None
    except GitlabError as error:
        raise refusal("GitLab", what, error.response_code or 0) from None
    except RequestException as error:
        raise Unavailable(f"GitLab: {what}: cannot be reached ({type(error).__name__})", path=what) from None
