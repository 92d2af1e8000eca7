"""JSON Schema of documents, for editors: the models' own, with expressions allowed for every value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.core.errors import Usage
from reconciler.core.kind import Kinds

from .documents import LIFTS, Envelope, TemplateUse
from .expressions import ATTRIBUTES
from .wording import suggestion

Schema = dict[str, Any]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_ABOUT = ("description", "default", "examples")
_EVALUATED: Schema = {
    "description": "an expression, or a value that only the server knows",
    "anyOf": [
        {"type": "string", "pattern": r"\$\{\{.*\}\}"},
        {
            "type": "object",
            "properties": {"ref": {"type": "string"}, "attribute": {"enum": list(ATTRIBUTES)}},
            "required": ["ref", "attribute"],
            "additionalProperties": False,
        },
    ],
}


def document_schema(kind: str | None, kinds: Kinds) -> Schema:
    """Return the JSON Schema of a document of one kind, or of any document. Raises Usage for an unknown kind."""
    specs = {**{name: LIFTS[name] for name in LIFTS}, **{name: found.spec for name, found in kinds.items()}}
    if kind is not None and kind not in specs:
        raise Usage(f"unknown kind {kind!r} ({suggestion(kind, specs)})")
    names = [kind] if kind is not None else sorted(specs)
    definitions: Schema = {"evaluated": _EVALUATED}
    documents = [_document(name, specs[name].model_json_schema(), definitions) for name in names]
    if kind is None:
        documents.append(_template(definitions))
    whole = documents[0] if kind is not None else {"title": "a document of desired state", "oneOf": documents}
    return {"$schema": _DIALECT, **whole, "$defs": definitions}


def _document(kind: str, spec: Schema, definitions: Schema) -> Schema:
    envelope = Envelope.model_json_schema()
    # An address is a tuple to the model, and text to people.
    envelope["$defs"]["Lifecycle"]["properties"]["moved_from"] = {"type": "string", "description": "KIND/NAME"}
    envelope = _own(envelope, "document", definitions)
    body = _own(spec, kind, definitions)
    required = ["kind", "name", *(["spec"] if body.get("required") else [])]
    properties = {**envelope["properties"], "kind": {"const": kind}, "spec": body}
    return {**envelope, "title": kind, "description": body.get("description", ""), "properties": properties, "required": required}


def _template(definitions: Schema) -> Schema:
    schema = _own(TemplateUse.model_json_schema(), "template", definitions)
    one = {"type": "object"}
    schema["properties"]["with"] = {"description": "parameters, or a list of them", "anyOf": [one, {"type": "array", "items": one}]}
    return schema


def _own(schema: Schema, prefix: str, definitions: Schema) -> Schema:
    """Move a model's definitions among all, under names of its own, and let every value be an expression."""
    for name, definition in schema.pop("$defs", {}).items():
        definitions[f"{prefix}:{name}"] = _inner(definition, prefix)
    return _inner(schema, prefix)


def _inner(schema: Schema, prefix: str) -> Schema:
    """The schema of a model itself: its values may be expressions, it may not."""
    opened = dict(schema)
    if "$ref" in opened:
        opened["$ref"] = f"#/$defs/{prefix}:{opened['$ref'].rpartition('/')[2]}"
    for key in ("properties", "patternProperties"):
        if key in opened:
            opened[key] = {name: _value(entry, prefix) for name, entry in opened[key].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(opened.get(key), Mapping):
            opened[key] = _value(opened[key], prefix)
    for key in ("anyOf", "oneOf", "allOf", "prefixItems"):
        if key in opened:
            opened[key] = [_inner(entry, prefix) for entry in opened[key]]
    return opened


def _value(schema: Schema, prefix: str) -> Schema:
    about = {key: value for key, value in schema.items() if key in _ABOUT}
    bare = {key: value for key, value in schema.items() if key not in _ABOUT and key != "title"}
    return {**about, "anyOf": [_inner(bare, prefix), {"$ref": "#/$defs/evaluated"}]}
