"""Pages for people, at `/ui`: what is applied, what runs did, and who looks at it is who their Vault token says.

Decisions, and what was rejected:

* No JavaScript at all: what is not there needs no exception in the content security policy, and breaks in no browser.
* A session holds the person's own token, sealed with a key that only their cookie has: no copy of this process's memory
  gives tokens away. Sessions are one process's: behind a balancer a person stays at one replica, or logs in again.
* The cookie proves who asks for `/ui` alone. A page of somebody else that could send it would not reach the API with it.
* Whoever is not logged in is shown the login in place of the page, with status 401. A redirect would tell that the page exists.
* What a person may see is asked of Vault with their own token, again and again: a session ends when its token does.
"""

from __future__ import annotations

from .table import Pages, pages

__all__ = ["Pages", "pages"]
