"""The forge that an environment declares, for one thread."""

from __future__ import annotations

from functools import partial

from reconciler.core.errors import Missing, Usage
from reconciler.core.forge import Forge
from reconciler.core.secret import Secret
from reconciler.desired.environments import Environment
from reconciler.engine.survey import silent
from reconciler.secrets.source_local import Local
from reconciler.settings import Settings

from .clone import repository_of
from .connect import connected


def forge_of(settings: Settings, environment: Environment, origin: str) -> Forge | None:
    """None where none is declared. Raises Usage for one that cannot be used."""
    declared = environment.forge
    if declared is None:
        return None
    repository = declared.repository or repository_of(origin)
    if not repository:
        raise Usage(f"environment {environment.name}: forge: write `repository: OWNER/NAME`, since the clone's origin does not say it")
    if declared.token is None:
        raise Usage(f"environment {environment.name}: forge: write `token: {{from: env:NAME}}`")
    token = partial(_token, settings, environment, declared.token)
    if declared.type == "github":
        from reconciler.backends.github import GitHubForge

        return GitHubForge(declared.api, repository, token)
    from reconciler.backends.gitlab import GitLabForge

    return GitLabForge(declared.api, repository, token)


def _token(settings: Settings, environment: Environment, secret: Secret) -> str:
    if secret.scheme in ("env", "file"):
        # That the environment's file names it is leave enough to read it.
        folder = settings.repo / environment.secret_files if environment.secret_files else None
        text = Local(settings.environ, frozenset({secret.location}), folder).text(secret)
        if text is None:
            raise Missing(f"{secret.source} is not set here, or empty: it is the forge's token", path=secret.source)
        return text
    with connected(settings, environment, "apply", "", silent) as parts:
        return parts.world.sources.reveal(secret)
