"""Jinja2, in its sandbox: the only module that imports it for desired state.

No files, no environment, no randomness; names that are not defined are errors; loops and output have limits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from jinja2 import Environment, StrictUndefined, TemplateError, TemplateSyntaxError, nodes, pass_context
from jinja2.environment import Template
from jinja2.ext import Extension
from jinja2.lexer import Token, TokenStream
from jinja2.runtime import Context, Macro, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment, safe_range

from reconciler.core.values import canonical_json

from .capture import Capture, Rendered, Structure, indent, mark_lines, trim
from .expressions import ATTRIBUTES, Evaluate, Unresolved, Variables, reference, unknown_name, whole
from .wording import suggestion

MAX_RENDERED = 5_000_000  # characters of one instance, as large as a file may be

# Pure and quick ones only. No `random` (plans must repeat), none that return markup.
_FILTERS = (
    "abs batch capitalize count d default dictsort first float groupby int items join last length list lower map max min reject "
    "rejectattr replace reverse round select selectattr slice sort string sum title truncate unique upper"
)
# No files; and no blocks whose text would be a value before its own values are put back.
_FORBIDDEN: Mapping[type[nodes.Node], str] = {
    nodes.Include: "include",
    nodes.Import: "import",
    nodes.FromImport: "from",
    nodes.Extends: "extends",
    nodes.Block: "block",
    nodes.AssignBlock: "set NAME %}...{% endset",
    nodes.FilterBlock: "filter",
}
# What Jinja2 and then Python's own compiler say of nesting that is too deep for them.
_TOO_DEEP = (RecursionError, MemoryError, SyntaxError)
# What the expressions of other people's templates raise: operators and filters run on any values.
_FAILURES = (TemplateError, Unresolved, ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError)
_SIZED = (str, list, tuple)
_CAPTURE = "capture!"  # not a name that a template could write


class Broken(Unresolved):
    """A template that does not parse or render, and the line of it."""

    def __init__(self, line: int, what: str, remedy: str = "") -> None:
        super().__init__(what, remedy)
        self.line = line


class _Reference:
    """What `ref('ADDRESS')` is inside an expression: its attributes are references to server values."""

    __slots__ = ("address",)

    def __init__(self, address: object) -> None:
        self.address = address

    def __getattr__(self, attribute: str) -> str:
        if attribute.startswith("_"):
            raise AttributeError(attribute)
        return reference(self.address, attribute)

    def __str__(self) -> str:
        raise Unresolved("ref() needs an attribute", f"write ref('ADDRESS').{ATTRIBUTES[1]}")


class _Strict(StrictUndefined):
    """Says which key of a map is missing, and what was near."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        if not isinstance(self._undefined_obj, Mapping):
            return super()._undefined_message
        near = suggestion(str(self._undefined_name), map(str, self._undefined_obj))
        return f"the map has no `{self._undefined_name}`" + (f", {near}" if near else "")


class _Sandbox(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset(("*", "**", "%"))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        # One "x" * 10**9 would fill the memory of the machine; % formats with any width.
        if isinstance(left, _SIZED) or isinstance(right, _SIZED) or (operator == "**" and (abs(right) > 64 or abs(left) > 10**6)):
            raise Unresolved(f"`{operator}` is for numbers, and small ones", "use ~ to join text")
        return super().call_binop(context, operator, left, right)

    def call(self, context: Context, callee: Any, /, *args: Any, **kwargs: Any) -> Any:
        capture = context.get(_CAPTURE)
        if isinstance(capture, Capture):
            capture.step()
        result = super().call(context, callee, *args, **kwargs)
        return Structure(result) if isinstance(callee, Macro) else result


@pass_context
def _finalize(context: Context, value: Any) -> str:
    if isinstance(value, Structure):
        return value
    capture: Capture = context[_CAPTURE]
    return capture.word(_plain(value))


@pass_context
def _counted(context: Context, values: Iterable[Any]) -> Iterator[Any]:
    capture: Capture = context[_CAPTURE]
    for value in values:
        capture.step()
        yield value


class _LineMarks(Extension):
    """Marks every line of template text with its number."""

    def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
        for token in stream:
            yield Token(token.lineno, token.type, mark_lines(token.value, token.lineno)) if token.type == "data" else token


def _sandbox(**options: Any) -> Environment:
    environment = _Sandbox(undefined=_Strict, variable_start_string="${{", autoescape=False, cache_size=0, **options)
    allowed: dict[str, Callable[..., Any]] = {name: environment.filters[name] for name in _FILTERS.split()}
    environment.filters = {**allowed, "tojson": canonical_json, "indent": indent, "trim": trim, "counted!": _counted}
    environment.globals = {"range": safe_range, "ref": _Reference, "dict": dict, "namespace": environment.globals["namespace"]}
    return environment


_EXPRESSIONS = _sandbox()
_TEMPLATES = _sandbox(finalize=_finalize, extensions=[_LineMarks], trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)


def compile_expression(text: str) -> Evaluate:
    """Compile one expression. Raises Unresolved where it is not one."""
    try:
        compiled = _EXPRESSIONS.compile_expression(text, undefined_to_none=False)
    except TemplateError as error:
        raise Unresolved(f"`{text}` is not an expression: {error.message}") from None
    except _TOO_DEEP:
        raise Unresolved("an expression is nested too deeply") from None

    def evaluate(variables: Variables) -> Any:
        try:
            return _plain(compiled(variables))
        except _FAILURES as error:
            raise _failure(error, variables) from None

    return evaluate


def compile_template(file: str, text: str) -> Template:
    """Compile a template's text. Raises Broken."""
    try:
        tree = _TEMPLATES.parse(text)
        for node in tree.find_all(tuple(_FORBIDDEN)):
            statement = f"{{% {_FORBIDDEN[type(node)]} %}}"
            raise Broken(node.lineno, f"{statement} is not allowed in templates", "macros and {% set NAME = value %} are")
        for loop in tree.find_all(nodes.For):
            if loop.recursive:
                raise Broken(loop.lineno, "recursive loops are not allowed in templates", "use nested loops")
            loop.iter = nodes.Filter(loop.iter, "counted!", [], [], None, None, lineno=loop.lineno)
        return Template.from_code(_TEMPLATES, _TEMPLATES.compile(tree, filename=file), _TEMPLATES.globals)
    except TemplateSyntaxError as error:
        raise Broken(error.lineno, f"is not a template: {error.message}") from None
    except _TOO_DEEP:
        raise Broken(1, "is nested too deeply", "use fewer statements or parentheses inside each other") from None


def render(template: Template, arguments: Mapping[str, Any]) -> Rendered:
    """Render one instance. Raises Broken with the line that failed."""
    capture = Capture()
    pieces: list[str] = []
    size = 0
    try:
        for piece in template.generate({**arguments, _CAPTURE: capture}):
            pieces.append(piece)
            size += len(piece)
            if size > MAX_RENDERED:
                raise Unresolved(f"makes more than {MAX_RENDERED / 1e6:.0f} MB of text", "loop over less")
    except _FAILURES as error:
        failure = _failure(error, arguments)
        raise Broken(_failed_line(error, template), failure.what, failure.remedy) from None
    return capture.rendered("".join(pieces))


def _plain(value: Any) -> Any:
    """Bring what an expression may yield to what YAML has."""
    if isinstance(value, str):
        return whole(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Undefined | _Reference):
        return str(value)  # raises, naming it
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, Iterable):
        return [_plain(entry) for entry in value]
    raise Unresolved(f"a {type(value).__name__} is no value", "an expression yields text, a number, true or false, a list or a map")


def _failure(error: Exception, variables: Variables) -> Unresolved:
    if isinstance(error, Unresolved):
        return error
    if isinstance(error, RecursionError):
        return Unresolved("calls itself without end")
    missing = _missing_name(error)
    if missing:
        return unknown_name(missing, iter(variables))
    # Only Jinja2's own messages are safe to show: those of Python may quote values.
    return Unresolved(str(error) if isinstance(error, TemplateError) else f"cannot be evaluated ({type(error).__name__})")


def _missing_name(error: Exception) -> str:
    name = str(error).removesuffix(" is undefined")
    return name.strip("'") if isinstance(error, TemplateError) and name != str(error) else ""


def _failed_line(error: Exception, template: Template) -> int:
    line, trace = 1, error.__traceback__
    while trace:
        if trace.tb_frame.f_code.co_filename == template.filename:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
