"""Proof by JWT: signed by a key that is known, for us, by whom we expect, and not over."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.errors import Usage
from .asgi import Scope
from .identity import Proof
from .scope import Principal
from .tokens import bearers_of

if TYPE_CHECKING:
    from jwt import PyJWK

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Only those with a public key: one that can verify with a shared key can sign too, and a public key could be taken for one."""
LEEWAY_SECONDS = 30
_CLAIMS = ("exp", "iss", "aud", "sub")
_SUBJECT = re.compile(r"[\x21-\x7e]{1,512}")


class JwtRules(NamedTuple):
    """What is expected. `keys`: a JWK Set, as a mapping."""

    issuer: str
    audience: str
    keys: Mapping[str, Any]
    algorithms: Sequence[str] = ("RS256", "ES256")


def jwt_proof(rules: JwtRules) -> Proof:
    """A proof by `Authorization: Bearer`. The principal's name is the subject. Raises Usage for rules under which anybody could be."""
    import jwt

    if not rules.issuer or not rules.audience:
        raise Usage("tokens need an issuer and an audience: without them, one for any other service would do")
    if wrong := sorted(set(rules.algorithms) - set(ALGORITHMS)):
        raise Usage(f"tokens cannot be proven by {', '.join(wrong)} (there are {', '.join(ALGORITHMS)})")
    try:
        keys = jwt.PyJWKSet.from_dict(dict(rules.keys)).keys
    except jwt.PyJWTError as error:
        raise Usage(f"tokens have no keys to be proven by: {type(error).__name__}") from None
    if shared := [key.key_id for key in keys if key.key_type == "oct"]:
        raise Usage(f"key {shared[0]} is a shared one: whoever can verify with it can sign")

    async def proof(scope: Scope) -> Principal | None:
        token = bearers_of(scope).jwt
        return _principal(token, keys, rules) if token else None

    return proof


def _principal(token: str, keys: Sequence[PyJWK], rules: JwtRules) -> Principal | None:
    import jwt

    try:
        named = jwt.get_unverified_header(token).get("kid")
        fitting = [key for key in keys if key.key_id == named] if named is not None or len(keys) > 1 else keys
        if len(fitting) != 1:
            return None
        claims = jwt.decode(
            token,
            fitting[0],
            algorithms=list(rules.algorithms),
            issuer=rules.issuer,
            audience=rules.audience,
            leeway=LEEWAY_SECONDS,
            options={"require": list(_CLAIMS)},
        )
    except jwt.PyJWTError:
        return None
    subject = claims["sub"]
    return Principal("jwt", subject) if isinstance(subject, str) and _SUBJECT.fullmatch(subject) else None
