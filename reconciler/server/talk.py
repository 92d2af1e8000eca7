"""Talking on a pull request: our comments, each found by its marker and kept up to date in place."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.forge import Comment, Forge


class Talk:
    """The comments of one pull request, as they were when this was made, and as we change them."""

    def __init__(self, forge: Forge, number: int) -> None:
        self._forge = forge
        self._number = number
        self._comments = forge.comments(number)
        self._me = forge.me()

    @property
    def comments(self) -> Sequence[Comment]:
        """Those of other people, oldest first."""
        return [one for one in self._comments if one.author != self._me]

    def ours(self, marker: str) -> list[Comment]:
        """Our own with this marker: anybody may write a comment that looks like one."""
        return [one for one in self._comments if one.author == self._me and one.body.startswith(marker)]

    def put(self, marker: str, body: str) -> None:
        """Say this in our comment with the marker. Says nothing where that says it already."""
        found = self.ours(marker)
        if not found:
            self._forge.comment(self._number, body)
        elif _plain(found[0].body) != _plain(body):
            self._forge.edit(self._number, found[0].id, body)


def _plain(body: str) -> str:
    """Forges change line ends and take white space off."""
    return "\n".join(line.rstrip() for line in body.strip().splitlines())
