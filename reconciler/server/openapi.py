"""The OpenAPI document of the JSON API, from the table of its routes and the models of its answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from .answers import Failure


class Parameter(NamedTuple):
    """A parameter of the query or the path: a whole number within bounds, or a text of a pattern."""

    name: str
    schema: Mapping[str, Any]
    where: str = "query"


class Operation(NamedTuple):
    """One route of the API."""

    method: str
    path: str
    summary: str
    answers: Mapping[int, type[BaseModel]]
    parameters: Sequence[Parameter] = ()
    public: bool = False


FAILURES = {
    400: "It is malformed.",
    401: "Nobody has proven who asks.",
    403: "Whoever asks may not.",
    429: "Too many requests.",
    503: "Not now.",
}


def document(operations: Sequence[Operation], version: str) -> dict[str, Any]:
    """The whole document."""
    models = {model for operation in operations for model in operation.answers.values()} | {Failure}
    _, schemas = models_json_schema([(model, "serialization") for model in sorted(models, key=lambda one: one.__name__)], ref_template=_REF)
    paths: dict[str, Any] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Reconciler",
            "version": version,
            "description": "What `reconcile serve` knows. Everything is read from it alone.",
        },
        "security": [{"vault": []}, {"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": schemas.get("$defs", {}),
            "securitySchemes": {
                "vault": {"type": "apiKey", "in": "header", "name": "X-Vault-Token", "description": "a token of the ledger's Vault"},
                "bearer": {"type": "http", "scheme": "bearer", "description": "such a token, or a JWT that the server was told to take"},
            },
        },
    }


_REF = "#/components/schemas/{model}"


def _operation(operation: Operation) -> dict[str, Any]:
    failures: dict[int, type[BaseModel]] = {status: Failure for status in FAILURES if not (operation.public and status in (401, 403))}
    answers = {**failures, **operation.answers}
    found: dict[str, Any] = {
        "summary": operation.summary,
        "operationId": f"{operation.method.lower()}{operation.path.title()}".replace("/", "").replace("{", "").replace("}", ""),
        "responses": {str(status): _response(status, model) for status, model in sorted(answers.items())},
    }
    if operation.parameters:
        found["parameters"] = [
            {"name": one.name, "in": one.where, "required": one.where == "path", "schema": dict(one.schema)} for one in operation.parameters
        ]
    return {**found, "security": []} if operation.public else found


def _response(status: int, model: type[BaseModel]) -> dict[str, Any]:
    said = FAILURES.get(status) if model is Failure else (model.__doc__ or "").strip().splitlines()[0] if model.__doc__ else None
    schema = {"$ref": _REF.format(model=model.__name__)}
    return {"description": said or "As it says.", "content": {"application/json": {"schema": schema}}}
