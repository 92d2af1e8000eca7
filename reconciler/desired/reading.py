"""Reads documents one by one: evaluates, instantiates, patches, validates, and keeps what it finds and what is wrong."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from reconciler.core.address import Address
from reconciler.core.errors import Problem
from reconciler.core.guard import Approval
from reconciler.core.resource import Resource

from .documents import LIFTS, SINGLE_FILE, Envelope, Exempt, TemplateUse, named, policies, problem, read_envelope, read_lift
from .expressions import OPEN, substitute
from .ground import Ground, read_file
from .overlays import patched
from .resources import gone_instance, read_resource
from .scan import Finding, is_suspicious, scan
from .source import Document
from .templates import instances
from .wording import Fault, nearest, suggestion

# Documents of a text without either hold nothing to evaluate, and are not walked.
_EVALUATED = (OPEN.encode(), b"attribute")


class Care(NamedTuple):
    """What the text of a document calls for: a walk to evaluate, a walk to look for credentials."""

    evaluate: bool
    scan: bool


ALL = Care(True, True)


@dataclass(slots=True)
class Reading:
    """What was found so far."""

    ground: Ground
    problems: list[Problem]
    findings: list[tuple[Document, str, Finding]] = field(default_factory=list)
    resources: dict[Address, Resource[Any]] = field(default_factory=dict)
    expressive: set[Address] = field(default_factory=set)
    approvals: list[Approval] = field(default_factory=list)
    exceptions: list[Exempt] = field(default_factory=list)
    patched: set[Address] = field(default_factory=set)
    templates: set[str] = field(default_factory=set)
    notes: dict[str, None] = field(default_factory=dict)
    looking_back: bool = False
    left_out: Counter[str] = field(default_factory=Counter)
    """How many objects lie on each instance that is gone."""

    def file(self, path: str) -> None:
        """Read every document of a file."""
        parsed = read_file(self.ground.tree, path, self.problems)
        if parsed.documents:
            text = self.ground.tree.files[path]
            care = Care(any(sign in text for sign in _EVALUATED), is_suspicious(text.decode(), parsed.keys))
            for document in parsed.documents:
                self.document(document, care)

    def document(self, document: Document, care: Care) -> None:
        """Read one document: an object, a lift, or instances of a template."""
        if "environments" in document.body and not self.applies(document):
            return
        evaluated = self.evaluated(document) if care.evaluate else document
        if evaluated is None:
            return
        if SINGLE_FILE in evaluated.body and "kind" not in evaluated.body:
            for one in policies(evaluated):
                self.document(one, care._replace(evaluate=False))
            return
        envelope = read_envelope(evaluated)
        if isinstance(envelope, list):
            self.problems.extend(envelope)
        elif isinstance(envelope, TemplateUse):
            self.instantiate(envelope, evaluated, care)
        elif envelope.kind in LIFTS:
            self.lift(envelope, evaluated)
        else:
            self.resource(envelope, evaluated, care)

    def applies(self, document: Document) -> bool:
        """Whether a document's `environments` let it in here. A near miss of a name is a problem, any other stranger a note."""
        given = document.body["environments"]
        names = [name.strip() for name in given.split(",")] if isinstance(given, str) else given
        if not isinstance(names, list) or not all(isinstance(name, str) and OPEN not in name for name in names):
            return True  # what is malformed is for the envelope to say
        known = self.ground.tree.environments()
        for name in (name for name in names if name not in known):
            near = nearest(name, known)
            if near:
                fault = Fault(("environments",), f"there is no environment `{name}`", f"did you mean `{near}`?")
                self.problems.append(problem(document, named(document.body), fault))
            self.notes.setdefault(f"there is no environment `{name}`, which {document.origin} is for")
        return not names or self.ground.environment.name in names

    def evaluated(self, document: Document) -> Document | None:
        """The document with its expressions evaluated; None, and problems, if one cannot be."""
        wrong: list[Fault] = []
        body = substitute(document.body, self.ground.environment.variables, wrong)
        self.problems.extend(problem(document, named(document.body), fault) for fault in wrong)
        return None if wrong else document._replace(body=body)

    def instantiate(self, use: TemplateUse, document: Document, care: Care) -> None:
        known = self.ground.templates
        if care.scan:
            self.scan(document, f"template/{use.template}")
        if use.template not in known:
            near = suggestion(use.template, known) or f"write templates/{use.template}.yaml.j2"
            self.problems.append(problem(document, "", Fault(("template",), f"unknown template `{use.template}`", near)))
        template = known.get(use.template)
        if template is None:
            return
        self.templates.add(use.template)
        for made in instances(template, use, document, self.ground.environment.variables):
            if isinstance(made, Problem):
                self.problems.append(made)
            elif "template" in made.body:
                fault = Fault(("template",), "a template cannot use another one", "declare its documents here")
                self.problems.append(problem(made, "", fault))
            else:
                self.document(made, ALL)

    def lift(self, envelope: Envelope, document: Document) -> None:
        found = read_lift(envelope, document)
        if isinstance(found, Approval):
            self.approvals.append(found)
        elif isinstance(found, Exempt):
            self.exceptions.append(found)
        else:
            self.problems.extend(found)

    def resource(self, envelope: Envelope, document: Document, care: Care) -> None:
        address = envelope.address
        if address in self.ground.patches:
            self.patched.add(address)
            again = self.evaluated(patched(document, self.ground.patches[address]))
            reread = read_envelope(again) if again else []
            if again is None or not isinstance(reread, Envelope):
                self.problems.extend(reread if isinstance(reread, list) else [])
                return
            envelope, document, care = reread, again, ALL
        if self.looking_back and (gone := gone_instance(envelope, self.ground.kinds, self.ground.environment)):
            self.left_out[gone] += 1
            return
        if care.scan:
            self.scan(document, str(address))
        found = read_resource(envelope, address, document, self.ground.kinds, self.ground.environment)
        if isinstance(found, list):
            self.problems.extend(found)
        elif address in self.resources:
            what = f"is declared twice; first at {self.resources[address].origin}"
            self.problems.append(problem(document, str(address), Fault(("name",), what, "remove one, or give it another name")))
        else:
            self.resources[address] = found
            if care.evaluate:
                self.expressive.add(address)

    def scan(self, document: Document, address: str) -> None:
        """Look for credentials; whether somebody excepted them is known only at the end."""
        self.findings.extend((document, address, finding) for finding in scan(document.body))
