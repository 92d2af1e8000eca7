"""GitHub as a forge, through PyGithub: kept up for over a decade, typed, synchronous like the rest; githubkit is still below 1.0.

Nothing is retried or slowed down here: the server's worker comes back later, and a thread that sleeps for an hour until
a rate limit ends would keep it from stopping.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from typing import TYPE_CHECKING

from ..core.errors import Denied, Missing, Unavailable
from ..core.forge import Check, Comment, Pull, Role, Verdict
from .forge_answers import refusal

if TYPE_CHECKING:  # slow to import, and only the server needs it
    from github import Github
    from github.Issue import Issue
    from github.PullRequest import PullRequest
    from github.Repository import Repository

SECONDS = 15
PUBLIC_API = "https://api.github.com"
LONGEST_TITLE = 140  # of a commit status
LONGEST_SUMMARY = 65_535
ROLES = {"admin": Role.MAINTAIN, "maintain": Role.MAINTAIN, "write": Role.WRITE, "triage": Role.READ, "read": Role.READ, "none": Role.NONE}
_CONCLUSIONS = {Verdict.SUCCESS: "success", Verdict.FAILURE: "failure"}


class GitHubForge:
    """One repository, `OWNER/NAME`. Safe to use from one thread at a time."""

    def __init__(self, api: str, repository: str, token: Callable[[], str]) -> None:
        self._api = api or PUBLIC_API
        self._name = repository
        self._token = token
        self._checks = True  # whether this login may make check runs: only apps may

    @cached_property
    def _github(self) -> Github:
        from github import Auth, Github

        return Github(
            base_url=self._api, auth=Auth.Token(self._token()), timeout=SECONDS, per_page=100, retry=None, lazy=True,
            seconds_between_requests=None, seconds_between_writes=None, user_agent="reconciler",
        )  # fmt: skip

    @cached_property
    def _repository(self) -> Repository:
        return self._github.get_repo(self._name)

    @cached_property
    def _me(self) -> str:
        from github import GithubException

        try:
            return self._github.get_user().login
        except GithubException as error:
            if error.status != 403:
                raise
        # An app has no user; its comments carry its name so.
        _headers, answer = self._github.requester.graphql_query("query { viewer { login } }", {})
        login = str(answer["data"]["viewer"]["login"])
        return login if login.endswith("[bot]") else f"{login}[bot]"

    def me(self) -> str:
        with _translated("who the forge's token belongs to"):
            return self._me

    def pull(self, number: int) -> Pull | None:
        try:
            with _translated(f"pull request {number}"):
                return _pull(self._repository.get_pull(number))
        except Missing:
            return None

    def open_pulls(self, branch: str) -> tuple[Pull, ...]:
        with _translated("the open pull requests"):
            return tuple(_pull(one) for one in self._repository.get_pulls(state="open", base=branch))

    def touched_pulls(self, branch: str) -> tuple[Pull, ...]:
        with _translated("the latest pull requests"):
            listed = self._repository.get_pulls(state="all", base=branch, sort="updated", direction="desc")
            return tuple(map(_pull, listed.get_page(0)))

    def merged_as(self, commit: str) -> Pull | None:
        with _translated(f"the pull request of commit {commit[:7]}"):
            found = [_pull(one) for one in self._repository.get_commit(commit).get_pulls()]
        return next((one for one in found if one.state == "merged" and one.merged_as == commit), None)

    def comments(self, number: int) -> tuple[Comment, ...]:
        with _translated(f"the comments of pull request {number}"):
            return tuple(
                Comment(
                    str(one.id),
                    one.user.login if one.user else "",
                    one.body or "",
                    one.created_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
                    one.updated_at != one.created_at,
                )
                for one in self._issue(number).get_comments()
            )

    def comment(self, number: int, body: str) -> None:
        with _translated(f"a comment on pull request {number}"):
            self._issue(number).create_comment(body)

    def edit(self, number: int, comment: str, body: str) -> None:
        with _translated(f"a comment on pull request {number}"):
            self._issue(number).get_comment(int(comment)).edit(body)

    def role(self, login: str) -> Role:
        try:
            with _translated(f"what {login} may do"):
                name = self._repository.get_collaborator_role_name(login)
                # A role of the organisation's own making is one of the five underneath.
                return ROLES[name if name in ROLES else self._repository.get_collaborator_permission(login)]
        except Missing:
            return Role.NONE

    def check(self, commit: str, check: Check) -> None:
        if self._checks and self._made_check_run(commit, check):
            return
        with _translated(f"the status {check.name}"):
            title = check.title[:LONGEST_TITLE]
            self._repository.get_commit(commit).create_status(check.verdict.value, description=title, context=check.name)

    def head_ref(self, number: int) -> str:
        return f"refs/pull/{number}/head"

    def _made_check_run(self, commit: str, check: Check) -> bool:
        try:
            with _translated(f"the check {check.name}"):
                self._make_check_run(commit, check)
        except Denied:
            self._checks = False
        return self._checks

    def _make_check_run(self, commit: str, check: Check) -> None:
        output: dict[str, str | list[dict[str, str | int]]] = {"title": check.title}
        output["summary"] = (check.summary or check.title)[:LONGEST_SUMMARY]
        make = partial(self._repository.create_check_run, check.name, commit, output=output)
        if check.verdict is Verdict.PENDING:
            make(status="in_progress")
        else:
            make(status="completed", conclusion=_CONCLUSIONS[check.verdict])

    def _issue(self, number: int) -> Issue:
        return self._repository.get_issue(number)


def _pull(found: PullRequest) -> Pull:
    head, place = found.head, found.base
    # The repository of a deleted fork is null: nobody's is not ours.
    fork = head.repo is None or head.repo.full_name != place.repo.full_name
    merged = bool(found.merged_at)
    author = found.user.login if found.user else ""
    # While a pull request is open, the merge commit is one that GitHub made to try.
    return Pull(
        found.number,
        "merged" if merged else found.state,
        head.sha,
        place.ref,
        author,
        fork,
        found.merge_commit_sha or "" if merged else "",
        found.updated_at.strftime("%Y-%m-%dT%H:%M:%SZ") if found.updated_at else "",
    )


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """Let nothing of the client's out: its errors hold whole bodies."""
    from github import BadCredentialsException, GithubException, RateLimitExceededException
    from requests import RequestException

    try:
        yield
    except RateLimitExceededException:
        raise Unavailable(f"GitHub: {what}: the rate limit is used up", path=what, status=429) from None
    except BadCredentialsException:
        raise Denied(f"GitHub: {what}: the token is not accepted (`forge.token`)", path=what, capability="token") from None
    except GithubException as error:
        raise refusal("GitHub", what, error.status) from None
    except RequestException as error:
        raise Unavailable(f"GitHub: {what}: cannot be reached ({type(error).__name__})", path=what) from None
