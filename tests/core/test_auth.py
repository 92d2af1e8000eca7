from __future__ import annotations

import pytest
from pydantic import ValidationError

from reconciler.core.auth import Auth


@pytest.mark.parametrize("method", ["jwt", "kubernetes"])
def test_some_logins_need_a_role(method: str) -> None:
    with pytest.raises(ValidationError, match=f"login by {method} needs a role"):
        Auth.model_validate({"method": method})
    assert Auth.model_validate({"method": method, "role": "ci"}).path == method


@pytest.mark.parametrize(("mount", "path"), [("", "approle"), ("ci", "ci"), ("auth/team/ci/", "team/ci"), ("/ci/", "ci")])
def test_a_login_has_a_mount_however_it_is_written(mount: str, path: str) -> None:
    assert Auth(method="approle", mount=mount).path == path


@pytest.mark.parametrize("given", [{"token": "hvs.abc"}, {"method": "ldap"}, {"secret_id": "abc"}, {"jwt": "ey.a.b"}, {"rolle": "x"}])
def test_credentials_are_named_and_never_written(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Auth.model_validate(given)
