"""Adopting: from what lives on the instances to files that load as exactly what they are to declare."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reconciler.core.address import Address
from reconciler.core.errors import Invalid, Usage
from reconciler.core.order import ENGINE, NAMESPACE, Index
from reconciler.core.resource import Resource
from reconciler.desired.adopted import Document, File, arrange, documents, file_of, hidden
from reconciler.desired.environments import Environment
from reconciler.desired.fold import Fold
from reconciler.desired.git import Repository
from reconciler.desired.load import Desired, load
from reconciler.desired.output import write_yaml
from reconciler.desired.tree import TEMPLATE_SUFFIX, TEMPLATES, Tree
from reconciler.desired.wording import suggestion
from reconciler.engine.adopt import Adopted, Choice, Left, adopt, without
from reconciler.engine.adopt_values import with_references
from reconciler.engine.inventory import Inventory, take_inventory
from reconciler.engine.world import Progress, World
from reconciler.kinds import KINDS
from reconciler.settings import Settings

from .clients import ClientPool
from .connect import collector_off, connected
from .folding import folded, same
from .placing import Target, write
from .territories import Ground, ground, ours

METHOD = "vault.auth_method"
_ALWAYS = frozenset({NAMESPACE, ENGINE, METHOD})  # without them nobody knows where the others lie


@dataclass(frozen=True, slots=True)
class Adoption:
    """What was found, the documents that declare it, and the files that are to hold them."""

    found: Adopted
    documents: Mapping[Address, Document]
    files: Mapping[str, str]  # by path below the folder
    templates: Mapping[str, str]  # by name
    holds: Mapping[str, int]  # how many objects a file declares
    target: Target

    def write(self) -> list[Path]:
        """Write the files, if a folder was named. Returns where they are: templates first."""
        return write(self.target, self.files, self.templates)

    def counted(self, written: Iterable[Path]) -> dict[str, int]:
        """How many objects each written file declares; a template none, since its instances do."""
        counts = [*(0 for _ in self.templates), *(self.holds[path] for path in self.files)]
        return {str(path): count for path, count in zip(written, counts, strict=True)}

    def printed(self) -> dict[str, str]:
        """The same texts, by the path that the repository would have them at."""
        templates = {f"{TEMPLATES}{name}{TEMPLATE_SUFFIX}": text for name, text in self.templates.items()}
        return templates | {self.target.read_as(path): text for path, text in self.files.items()}

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be said of the whole."""
        unread = self.target.inside is None and bool(self.files)
        where = f"{self.target.folder} is not read from there: documents lie below desired-state/, templates in templates/"
        hidden = (f"{address}: {', '.join(one.lifecycle.ignore)} cannot be declared, so it is ignored" for address, one in self._ignoring())
        return (*self.found.notes, *hidden, *((where,) if unread else ()))

    def _ignoring(self) -> Iterator[tuple[Address, Resource[Any]]]:
        return ((address, one) for address, one in self.found.resources.items() if one.lifecycle.ignore)


def adoption(settings: Settings, wanted: Collection[str], glob: str, folder: Path | None, *, fold: bool, progress: Progress) -> Adoption:
    """Find what can be adopted. Writes nothing. Raises Invalid for a desired state that is wrong already."""
    for kind in wanted:
        if kind not in KINDS:
            raise Usage(f"there is no kind {kind!r} ({suggestion(kind, KINDS) or 'reconcile schema lists them'})")
    target = Target(settings.repo, folder)
    with collector_off():
        tree = Repository(settings.repo).read_work_tree()
        desired = load(tree, settings.environment or None, KINDS)
        with connected(settings, desired.environment, "plan", tree.commit, progress) as parts:
            adopted, inventory = _found(settings, desired, parts.world, parts.clients, frozenset(wanted), glob)
        paths = _paths(inventory, adopted)
        adopted, files = _filed(without(adopted, KINDS, hidden(adopted.resources)), paths, desired, tree, target)
        folds = _folds(adopted, desired, tree, target) if fold else []
        return _adoption(adopted, paths, files, folds, target)


def _found(
    settings: Settings, desired: Desired, world: World, clients: ClientPool, wanted: frozenset[str], glob: str
) -> tuple[Adopted, Inventory]:
    """What is nobody's, as it would be declared, and everything beside it."""
    environment = desired.environment
    state, _ = world.ledger.load()
    declared = {*desired.resources, *state.owned}
    found = ground(settings, environment, clients)
    kinds = {name: kind for name, kind in KINDS.items() if not wanted or name in wanted | _ALWAYS or "auth/{mount}" in str(kind.paths)}
    inventory = take_inventory(kinds, found.territories, clients, declared, world.progress)
    inventory, unasked = _unasked(environment, inventory, found)
    own = ours(environment, kinds, found, inventory)
    choice = Choice(
        kinds=wanted,
        glob=glob,
        taken=frozenset(declared) | own.taken,
        held=own.held,
        strict=environment.guards.strict_references,
        blank="vault" if "primary" in environment.vault else "aws",
    )
    adopted = with_references(adopt(kinds, inventory, choice), kinds, inventory.readings, declared)
    return replace(adopted, notes=(*found.notes, *unasked, *adopted.notes)), inventory


def _unasked(environment: Environment, inventory: Inventory, found: Ground) -> tuple[Inventory, list[str]]:
    """Instances that nobody wrote down are there by default: one that cannot be reached is no failure."""
    unreached = {**found.unreached, **inventory.unreached}
    implied = {key for key in unreached if key[0] not in environment.model_fields_set}
    notes = [f"{backend} was not read: {unreached[backend, name]}" for backend, name in sorted(implied)]
    return inventory._replace(unreached={key: why for key, why in unreached.items() if key not in implied}), notes


def _paths(inventory: Inventory, adopted: Adopted) -> dict[Address, str]:
    """The file of each object: named after the mount that it lies in."""
    mounts = Index(
        Address(kind, name, place) for (kind, place), reading in inventory.readings.items() if KINDS[kind].mount for name in reading.live
    )
    paths = {}
    for address, resource in adopted.resources.items():
        refs = (ref for ref in KINDS[address.kind].refs(address.name, resource.spec) if ref.within and not ref.hint)
        mount = next((found.name for ref in refs if (found := mounts.find(address.place, ref))), "")
        paths[address] = file_of(address, mount)
    return paths


def _filed(adopted: Adopted, paths: Mapping[Address, str], desired: Desired, tree: Tree, target: Target) -> tuple[Adopted, list[File]]:
    """Put documents into files that load as them, leaving out what does not."""
    while True:
        files = list(arrange(paths, documents(KINDS, adopted.resources)))
        problems = _problems(files, adopted, desired, tree, target)
        if not problems:
            return adopted, files
        kept = {address: one for address, one in adopted.resources.items() if address not in problems}
        blanks = tuple(blank for blank in adopted.blanks if blank.address in kept)
        left = sorted([*adopted.left, *(Left(address, why) for address, why in problems.items())])
        adopted = replace(adopted, resources=kept, blanks=blanks, left=tuple(left))


def _problems(files: list[File], adopted: Adopted, desired: Desired, tree: Tree, target: Target) -> dict[Address, str]:
    """What a load of everything together says against single objects. Raises Invalid where it is against none."""
    new = {target.read_as(file.path): file for file in files}
    whole = Tree({**tree.files, **{path: file.text.encode() for path, file in new.items()}})
    try:
        loaded = load(whole, desired.environment.name, KINDS)
    except Invalid as invalid:
        found: dict[Address, str] = {}
        for problem in invalid.problems:
            path, _, line = problem.where.rpartition(":")
            address = new[path].at(int(line)) if path in new and line.isdigit() else None
            if address is not None:
                found.setdefault(address, problem.what)
        if not found:
            raise
        return found
    return {
        address: "its document would be read otherwise than it was meant (please report it)"
        for address, resource in adopted.resources.items()
        if not same({address: loaded.resources[address]}, {address: resource})
    }


def _folds(adopted: Adopted, desired: Desired, tree: Tree, target: Target) -> list[Fold]:
    return list(folded(documents(KINDS, adopted.resources), adopted.resources, tree, desired.environment.name, target.taken()))


def _adoption(adopted: Adopted, paths: Mapping[Address, str], files: list[File], folds: list[Fold], target: Target) -> Adoption:
    written = documents(KINDS, adopted.resources)
    in_templates = {address for one in folds for address in one.addresses}
    if folds:
        files = list(arrange(paths, {address: document for address, document in written.items() if address not in in_templates}))
    texts = {f"{one.name}.yaml": write_yaml([one.use]) for one in folds} | {file.path: file.text for file in files}
    holds = {f"{one.name}.yaml": len(one.addresses) for one in folds} | {file.path: len(file.addresses) for file in files}
    return Adoption(adopted, written, texts, {one.name: one.template for one in folds}, holds, target)
