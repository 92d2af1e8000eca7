"""Is a new value good? By login, HTTP or a command, `need` of `of` tries. No consumer has it yet."""

from __future__ import annotations

import json
from collections.abc import Callable

from .outside import Surroundings, as_answer, as_verdict, run_command, status_of
from .seen import Checks, Probe
from .state import Kept
from .targets import Call as Request
from .targets import Validation

VALUE = "${{ value }}"
Try = Callable[[Kept], bool | None]


def validator(
    validation: Validation, secret: str, key: str, probe: Callable[[Kept], Probe], around: Surroundings
) -> Callable[[Kept], Checks]:
    """What tries a value as declared. `key`: which part of the value stands for it in a request."""

    def once(value: Kept) -> bool | None:
        if validation.command:
            sent = json.dumps({"secret": secret, "value": value.value}).encode()
            return as_verdict(run_command(validation.command, sent, validation.timeout, around))
        if validation.http is not None:
            return _requested(validation.http, value.value.get(key, ""))
        said = probe(value)
        return None if said is Probe.UNSURE else said is Probe.ACCEPTED

    return lambda value: counted(once, value, validation.needed, validation.of)


def counted(once: Try, value: Kept, need: int, of: int) -> Checks:
    """Try until it is certain that enough succeed, or that they cannot."""
    checks = Checks(need=need, spare=of - need)
    for _ in range(of):
        said = once(value)
        checks = checks._replace(passed=checks.passed + (said is True), failed=checks.failed + (said is False))
        if checks.verdict is not Probe.UNSURE:
            break
    return checks


def _requested(request: Request, value: str) -> bool | None:
    name, _, text = request.header.replace(VALUE, value).partition(": ")
    headers = {name: text} if name else {}
    status = status_of(request.url.replace(VALUE, value), request.method, headers, None, request.timeout)
    if status == request.expect:
        return True
    return None if as_answer(status) is None else False
