"""Templates: `templates/NAME.yaml.j2`. Their first document declares parameters; the rest is rendered for each instance."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reconciler.core.errors import Invalid, Problem
from reconciler.core.values import parse_duration

from .documents import TemplateUse
from .expressions import OPEN, RESERVED, Unresolved, Variables, substitute
from .parse import decoded, parse
from .source import Document, Source
from .wording import Fault, faults, shown_path, suggestion

_FROZEN = ConfigDict(frozen=True, extra="forbid")
_SEPARATOR = re.compile(r"^---[ \t]*\r?$", re.MULTILINE)
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "list": (list,),
    "map": (dict,),
    "duration": (int, str),
}


class Parameter(BaseModel):
    """One declared parameter. Without a default it must be given."""

    model_config = _FROZEN
    type: Literal["string", "integer", "number", "boolean", "list", "map", "duration"]
    default: Any = None
    description: str = ""

    @property
    def required(self) -> bool:
        return "default" not in self.model_fields_set


class _Header(BaseModel):
    model_config = _FROZEN
    parameters: dict[Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")], Parameter]
    description: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """A template: its parameters, and the compiled rest."""

    name: str
    file: str
    parameters: Mapping[str, Parameter]
    defaults: Document
    """What its parameters are where nothing is given, as a document: to be looked at for credentials."""
    body: Any  # a jinja2.Template; the module that has the type is imported only where templates are used

    def arguments(self, given: Mapping[str, Any], variables: Variables) -> dict[str, Any]:
        """Check what an instance was given, and fill in the defaults. Raises Unresolved with the first fault."""
        for name in given:
            if name not in self.parameters:
                raise Unresolved(f"template {self.name} has no parameter `{name}`", suggestion(name, self.parameters))
        missing = [name for name, parameter in self.parameters.items() if parameter.required and name not in given]
        if missing:
            raise Unresolved(f"template {self.name} needs `{missing[0]}`", f"write it under `with` ({self.parameters[missing[0]].type})")
        filled = {name: given[name] if name in given else _default(parameter, variables) for name, parameter in self.parameters.items()}
        for name, value in filled.items():
            check_type(name, self.parameters[name], value)
        return filled


def _default(parameter: Parameter, variables: Variables) -> Any:
    wrong: list[Fault] = []
    value = substitute(parameter.default, variables, wrong)
    if wrong:
        raise Unresolved(wrong[0].what, wrong[0].remedy)
    return value


def check_type(name: str, parameter: Parameter, value: object) -> None:
    """Raise Unresolved if a value is not of the parameter's type; null is only what a null default allows."""
    if value is None and not parameter.required and parameter.default is None:
        return
    fits = isinstance(value, _TYPES[parameter.type]) and (not isinstance(value, bool) or parameter.type == "boolean")
    if not fits:
        remedy = "put it in quotes" if parameter.type == "string" and isinstance(value, int | float) else ""
        article = "an" if parameter.type == "integer" else "a"
        raise Unresolved(f"`{name}` must be {article} {parameter.type}", remedy)
    if parameter.type == "duration":
        try:
            parse_duration(value)
        except ValueError as error:
            raise Unresolved(f"`{name}`: {error}") from None


def read_template(name: str, file: str, text: bytes) -> Template:
    """Read and compile a template. Raises Invalid."""
    from .render import Broken, compile_template

    header, body = _halves(file, text)
    document, parameters = _parameters(Source(file, header))
    defaults = {parameter: declared.default for parameter, declared in parameters.items()}
    try:
        return Template(name, file, parameters, document._replace(body={"parameters": defaults}), compile_template(file, body))
    except Broken as error:
        raise Invalid([Problem(f"{file}:{error.line}", "", error.what, error.remedy)]) from None


def instances(template: Template, use: TemplateUse, document: Document, variables: Mapping[str, Any]) -> Iterator[Document | Problem]:
    """Render every instance that a document asks for."""
    for number, given in enumerate(use.arguments):
        via = document.at(("with", number) if isinstance(document.body.get("with"), list) else ("with",))
        try:
            arguments = template.arguments(given, variables)
        except Unresolved as error:
            yield Problem(str(via), f"template {template.name}", error.what, error.remedy)
            continue
        yield from _instance(template, {**variables, **arguments}, f"{via.file}:{via.line}")


def _instance(template: Template, arguments: Mapping[str, Any], via: str) -> Iterator[Document | Problem]:
    from .render import Broken, render

    try:
        rendered = render(template.body, arguments)
        source = Source(template.file, rendered.text.encode(), rendered.lines, via)
        documents = parse(source).documents
    except Broken as error:
        yield Problem(f"{template.file}:{error.line} with {via}", "", error.what, error.remedy)
        return
    except Invalid as error:
        yield from error.problems
        return
    for document in documents:
        try:
            yield document._replace(body=rendered.put_back(document.body))
        except Unresolved as error:
            yield Problem(str(document.origin), "", error.what, error.remedy)


def _halves(file: str, text: bytes) -> tuple[bytes, str]:
    """Cut the first document off; blank lines stand in for it, so that line numbers stay."""
    whole = decoded(Source(file, text))
    begun = next((line for line in whole.splitlines() if line.strip() and not line.startswith("#")), "")
    marks = list(_SEPARATOR.finditer(whole))[1 if begun.startswith("---") else 0 :]
    if not marks:
        raise Invalid([Problem(file, "", "has no documents after its parameters", "write `parameters: {...}`, then ---, then documents")])
    end = marks[0].end()
    return whole[: marks[0].start()].encode(), "\n" * whole.count("\n", 0, end) + whole[end:]


def _parameters(source: Source) -> tuple[Document, Mapping[str, Parameter]]:
    documents = parse(source).documents
    if len(documents) != 1 or "parameters" not in documents[0].body:
        raise Invalid(
            [Problem(source.file, "", "its first document must be `parameters: {...}`", "a template without any: parameters: {}")]
        )
    document = documents[0]
    try:
        header = _Header.model_validate(document.body)
    except ValidationError as error:
        raise Invalid(Problem(str(document.at(f.path)), "", f.what, f.remedy) for f in faults(error, _Header, document.body)) from None
    wrong = list(_parameter_problems(document, header.parameters.items()))
    if wrong:
        raise Invalid(wrong)
    return document, header.parameters


def _parameter_problems(document: Document, parameters: Iterable[tuple[str, Parameter]]) -> Iterator[Problem]:
    for name, parameter in parameters:
        where = str(document.at(("parameters", name)))
        if name in RESERVED:
            yield Problem(where, "", f"a parameter cannot be called `{name}`", "the name is taken by the language")
        if parameter.default is not None and OPEN not in str(parameter.default):
            try:
                check_type(shown_path(("parameters", name, "default")), parameter, parameter.default)
            except Unresolved as error:
                yield Problem(where, "", error.what, error.remedy)
