"""From a tree to desired state: every mistake at once, each with its line and what to do."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.address import Address, Place, parse_address
from reconciler.core.errors import Invalid, Usage
from reconciler.core.guard import Approval
from reconciler.desired.load import load
from reconciler.desired.output import write_yaml
from reconciler.desired.tree import Tree
from tests.desired.world import DEV, KINDS, PATIENT, TODAY, read, refused, specs, tree

POLICY = "kind: t.policy\nname: p\nspec:\n  rules:\n    - path: a/*\n      capabilities: [read]"


def role(name: str = "m/r", **spec: Any) -> str:
    return f"kind: t.role\nname: {name}\nspec: {spec!r}"


def test_documents_become_resources_wherever_they_lie() -> None:
    document = (
        "kind: t.policy\nname: p@q\ninstance: eu\nnamespace: /team-a/\nlabels: {team: genesis, cost: 7}\n"
        "lifecycle: {protect: true, ignore: [hcl], on_remove: forget, moved_from: t.policy/old}\nspec: {hcl: x}"
    )
    environment = DEV + "vault: {eu: {}, primary: {}}"
    desired = read(POLICY, files={"desired-state/deep/er/b.yml": f"\n{document}"}, dev=environment)
    home, away = desired.resources.values()
    assert (home.address, str(home.origin)) == (Address("t.policy", "p"), "desired-state/a.yaml:1")
    assert away.address == Address("t.policy", "p@q", Place("eu", "team-a")) == parse_address("t.policy/p%40q@eu/team-a")
    assert (away.labels, str(away.origin)) == ({"team": "genesis", "cost": "7"}, "desired-state/deep/er/b.yml:2")
    assert away.lifecycle.model_dump() == {
        "protect": True,
        "ignore": ("hcl",),
        "on_remove": "forget",
        "moved_from": Address("t.policy", "old"),
    }


def test_expressions_are_filled_in_everywhere() -> None:
    desired = read("kind: t.role\nname: m/${{ team }}\nspec: {ttl: '${{ ttl }}', uses: '${{ copies }}', policies: '${{ regions }}'}")
    assert specs(desired) == {"t.role/m/genesis": {"ttl": 3600, "uses": 3, "policies": ("eu", "us")}}


def test_documents_for_other_environments_are_left_out_and_not_evaluated() -> None:
    prod = {"desired-state/environments/prod.yaml": "project: demo"}
    elsewhere = "kind: t.policy\nname: ${{ only_in_prod }}\nenvironments: [prod]\nspec: {nonsense: ${{ x }}}".replace(
        "{nonsense: ${{ x }}}", "{}"
    )
    assert not read(elsewhere, files=prod).resources
    assert len(read(POLICY.replace("spec:", "environments: [prod, dev]\nspec:"), files=prod).resources) == 1


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("kind: t.polcy\nname: p", "1: t.polcy/p: unknown kind `t.polcy` (did you mean `t.policy`?)"),
        ("kind: t.policy\nnmae: p", "2: t.policy: unknown field `nmae` (did you mean `name`?)"),
        ("kind: t.policy", "1: t.policy: `name` is missing"),
        ("kind: t.policy\nname: 5", "2: t.policy: `name` must be text (put it in quotes)"),
        ("kind: t.policy\nname: ''", "2: t.policy: `name` must have at least 1 character"),
        ("name: x", "1: a document needs `kind` (an object) or `template` (instances of one)"),
        ("kind: t.policy\nname: p\nspec:\n  ruls: []", "4: t.policy/p: unknown field `ruls` (did you mean `rules`?)"),
        ("kind: t.policy\nname: p\nspec:\n  rules:\n    - path: a\n      capabilites: []", "6: t.policy/p: unknown field `capabilites` in `rules[0]` (did you mean `capabilities`?)"),
        ("kind: t.policy\nname: p\nspec:\n  rules:\n    - path: a", "5: t.policy/p: `rules[0].capabilities` is missing"),
        ("kind: t.policy\nname: p\nspec: text", "3: t.policy/p: must be a map"),
        ("kind: t.policy\nname: p\nspec: [a]", "3: t.policy/p: must be a map"),
        ("kind: t.policy\nname: p\nspec: {rules: {}}", "3: t.policy/p: `rules` must be a list"),
        ("kind: t.policy\nname: p\nspec:\n  hcl: oops", "4: t.policy/p: hcl: line 2: oops"),
        ("kind: t.policy\nname: Upper", "2: t.policy/Upper: the server stores the name `Upper` as `upper` (write `upper`)"),
        ("kind: t.policy\nname: a/../b", "2: t.policy/a/../b: `a/../b` is no clean path"),
        ("kind: t.policy\nname: /a", "2: t.policy//a: `/a` is no clean path (no / at its ends, no // and no . or .. in it)"),
        ('kind: t.policy\nname: "a\\tb"', "2: t.policy/a\\tb: the name holds control characters"),
        ("kind: t.policy\nname: p\nnamespace: ../x", "3: t.policy/p@primary/../x: `../x` is no clean path"),
        ("kind: t.policy\nname: p\ninstance: eu", "3: t.policy/p@eu: environment dev has no vault instance `eu` (known: primary)"),
        ("kind: t.bucket\nname: /p\ninstance: eu", "3: t.bucket//p@eu: environment dev has no aws instance `eu`"),
        ("kind: t.bucket\nname: p\nnamespace: x", "3: t.bucket/p@primary/x: t.bucket has no namespaces"),
        ("kind: t.note\nname: p\ninstance: eu", "3: t.note/p@eu: environment dev has no ledger instance `eu`"),
        ("kind: t.policy\nname: p\nenvironments: [devv]", "3: t.policy/p: there is no environment `devv` (did you mean `dev`?)"),
        ("kind: t.policy\nname: p\nlifecycle: {protet: true}", "3: t.policy/p: unknown field `protet` in `lifecycle` (did you mean `protect`?)"),
        ("kind: t.policy\nname: p\nlifecycle: {on_remove: keep}", "3: t.policy/p: `lifecycle.on_remove` must be 'delete' or 'forget'"),
        ("kind: t.policy\nname: p\nlifecycle: {ignore: [hlc]}", "3: t.policy/p: t.policy has no field `hlc` to ignore (did you mean `hcl`?)"),
        ("kind: t.policy\nname: p\nlifecycle: {moved_from: t.role/x}", "3: t.policy/p: an object cannot move from t.role to t.policy"),
        ("kind: t.policy\nname: p\nlifecycle: {moved_from: t.policy/p}", "3: t.policy/p: names the object itself"),
        ("kind: t.policy\nname: p\nlifecycle: {moved_from: p}", "3: t.policy/p: `lifecycle.moved_from`: 'p' is not an address"),
        ("kind: t.policy\nname: ${{ taem }}", "2: t.policy/${{ taem }}: `taem` is neither a variable nor a parameter (did you mean `team`?)"),
        (role(ttl="1day"), "3: t.role/m/r: `ttl`: '1day' is not a duration (write 45m, 1h, 30d or seconds)"),
        (role(ttl="-1h"), "3: t.role/m/r: `ttl`: '-1h' is negative; a duration cannot be"),
        (role(ttl=-5), "3: t.role/m/r: `ttl`: -5 is negative; a duration cannot be"),
        (role(uses="many"), "3: t.role/m/r: `uses` must be a whole number"),
        (role(bind="perhaps"), "3: t.role/m/r: `bind` must be true or false"),
        (role(password={"from": "env:VAULT_TOKEN"}), "3: t.role/m/r: `password`: VAULT_TOKEN is never readable from desired state"),
        (role(password={"from": "env:OTHER"}), "3: t.role/m/r: OTHER is not among the `secret_env` of environment dev (add it there, or keep"),
        (role(password={"from": "file:x"}), "3: t.role/m/r: environment dev names no folder `secret_files`"),
        (role(password={"from": "file:../x"}), "must stay inside the folder"),
        (role(bound={"a": {"ref": "t.rol/x", "attribute": "id"}}), "t.role/m/r: ref() names the unknown kind `t.rol` (did you mean `t.role`?)"),
        ("kind: approval\nname: a\nspec: {guard: ireversible, address: a, reason: b, approver: c, expires: 2027-01-31}", "3: approval/a: `guard` must be"),
        ("kind: approval\nname: a\nspec: {guard: empty, address: a, reason: b, approver: c, expires: soon}", "3: approval/a: `expires` must be a date such as 2027-01-31"),
        ("kind: approval\nname: a\nspec: {guard: empty, address: a, reason: '', approver: c, expires: 2027-01-31}", "3: approval/a: `reason`"),
        ("kind: exception\nname: a\nspec: {check: X1, address: a, reason: b, approver: c, expires: 2027-01-31}", "3: exception/a: `check`"),
        ("kind: exception\nname: a\nspec: {check: C01, reason: b, approver: c, expires: 2027-01-31}", "3: exception/a: needs an `address` (or a `pattern`), and only one"),
        ("kind: exception\nname: a", "1: exception/a: `check` is missing"),
    ],
)  # fmt: skip
def test_a_mistake_is_said_with_its_line_and_its_remedy(document: str, message: str) -> None:
    said = refused(document)
    start = "desired-state/a.yaml:" if message[0].isdigit() else ""
    assert f"{start}{message}" in said


def test_everything_wrong_is_said_at_once_in_the_order_of_the_files() -> None:
    said = refused(
        POLICY.replace("path", "pth"),
        role(ttl="1day", uses="x"),
        "template: none",
        files={"desired-state/b.yaml": "a: b: c", "desired-state/c.yaml": "kind: t.nothing\nname: x", "templates/t.yaml.j2": "kind: x\n"},
    )
    places = [re.match(r"[^:]+(?::\d+)?", line)[0] for line in said.splitlines()]  # type: ignore[index]  # every line has one
    assert places == [
        f"desired-state/{place}" for place in ("a.yaml:5", "a.yaml:5", "a.yaml:10", "a.yaml:10", "a.yaml:12", "b.yaml:1", "c.yaml:1")
    ] + ["templates/t.yaml.j2"]


def test_an_address_declared_twice_names_both_places() -> None:
    said = refused(POLICY, role(), POLICY)
    assert (
        said
        == "desired-state/a.yaml:13: t.policy/p: is declared twice; first at desired-state/a.yaml:1 (remove one, or give it another name)"
    )


def test_one_name_in_two_places_is_two_objects() -> None:
    assert len(read(POLICY, POLICY.replace("spec:", "namespace: a\nspec:")).resources) == 2


def test_references_to_what_is_not_declared_are_noted_once_each() -> None:
    desired = read(role(policies=["default", "p", "q"]), role("m/s", policies=["q"]), role("token/s"), POLICY)
    assert desired.unresolved == (
        "t.mount/m/... is not declared here; needed by t.role/m/r and 1 more",
        "t.policy/q is not declared here; needed by t.role/m/r and 1 more",
    )
    assert [(str(address), ref.kind, ref.name) for address, ref in desired.dangling] == [
        ("t.role/m/r", "t.mount", "m/r"),
        ("t.role/m/r", "t.policy", "q"),
        ("t.role/m/s", "t.mount", "m/s"),
        ("t.role/m/s", "t.policy", "q"),
    ]


def test_references_stay_in_their_own_place() -> None:
    desired = read("kind: t.mount\nname: a/b", role("a/b/r"), role("a/c"), role("a/b/r") + "\nnamespace: n")
    assert [str(address) for address, _ in desired.dangling] == ["t.role/a/c", "t.role/a/b/r@primary/n"]


def test_a_server_value_of_what_is_not_declared_is_noted() -> None:
    asks = role(bound={"a": {"ref": "t.mount/m", "attribute": "accessor"}})
    assert "t.mount/m is not declared here; t.role/m/r needs its accessor" in read(asks).unresolved
    assert read(asks, "kind: t.mount\nname: m").unresolved == ()


def group(name: str, *members: str) -> str:
    return f"kind: t.group\nname: {name}\nspec: {{members: {list(members)}}}"


def test_a_cycle_of_references_is_named() -> None:
    said = refused(group("a", "b"), group("b", "c"), group("c", "a"), group("d", "a"))
    assert re.search(r"a\.yaml:\d+: references form a cycle: t\.group/\w -> t\.group/\w -> t\.group/\w -> t\.group/\w \(take one", said)
    assert "t.group/d" not in said


def test_a_cycle_through_server_values_is_named() -> None:
    asks = role("m/r", bound={"a": {"ref": "t.role/m/s", "attribute": "id"}})
    assert "references form a cycle" in refused(asks, role("m/s", bound={"a": "${{ ref('t.role/m/r').id }}"}))


def test_an_object_that_names_itself_waits_for_nobody() -> None:
    assert len(read(group("a", "a")).resources) == 1


LIFT = "kind: approval\nname: drop\nspec: {guard: irreversible, address: t.mount/legacy, reason: emptied, approver: sec@example.com, expires: 2026-12-31}"
FALSE_ALARM = (
    "kind: exception\nname: old\nspec: {check: C22, address: t.role/m/*, reason: it is none, approver: sec@example.com, expires: %s}"
)


def test_approvals_and_exceptions_are_read_and_expire() -> None:
    desired = read(LIFT, FALSE_ALARM % "2026-05-31")
    assert desired.approvals == (
        Approval("drop", "irreversible", "t.mount/legacy", TODAY.replace(month=12, day=31), "sec@example.com", "emptied"),
    )
    assert [exempt.check for exempt in desired.exceptions] == ["C22"]
    assert desired.notes == ("exception old expired on 2026-05-31 and lifts nothing (remove it)",)


def test_a_lift_may_call_its_addresses_a_pattern() -> None:
    assert read(LIFT.replace("address: t.mount/legacy", "pattern: t.mount/*")).approvals[0].pattern == "t.mount/*"


def test_environments_that_the_repository_does_not_have_are_noted() -> None:
    desired = read(POLICY.replace("spec:", "environments: [staging, prod]\nspec:"))
    assert not desired.resources
    assert desired.notes[0] == "there is no environment `staging`, which desired-state/a.yaml:1 is for"


def test_an_exception_silences_a_false_alarm_until_its_day() -> None:
    alarm = role(metadata={"db_password": "hunter2"})
    assert "`spec.metadata.db_password` holds a password in plain text" in refused(alarm)
    assert len(read(alarm, FALSE_ALARM % "2026-06-01").resources) == 1
    assert "in plain text" in refused(alarm, FALSE_ALARM % "2026-05-31")
    assert "in plain text" in refused(alarm, (FALSE_ALARM % "2026-06-01").replace("C22", "C21"))
    assert "in plain text" in refused(alarm, (FALSE_ALARM % "2026-06-01").replace("m/*", "n/*"))


def test_files_that_nobody_reads_are_noted() -> None:
    desired = read(files={"desired-state/service.yaml.j2": "", "templates/a.yaml": "", "templates/b.j2": "", "desired-state/README.md": ""})
    assert desired.notes == (
        "desired-state/service.yaml.j2 is not read (templates are templates/NAME.yaml.j2)",
        "templates/a.yaml is not read (documents lie in desired-state/)",
        "templates/b.j2 is not read (templates are templates/NAME.yaml.j2)",
    )


def test_an_empty_repository_says_where_to_begin() -> None:
    with pytest.raises(Usage, match="the repository declares no environment"):
        load(Tree({}), None, KINDS, today=TODAY)


def test_an_environment_without_objects_is_valid() -> None:
    assert not load(Tree({"desired-state/environments/dev.yaml": b"project: p"}), None, KINDS, today=TODAY).resources


def test_no_message_holds_a_value_that_could_be_a_secret() -> None:
    canary = "cAnArY7xQ2w9Zk4"
    documents = [
        role(password=canary),
        role("m/a", password={"from": canary}),
        role("m/b", uses=canary),
        role("m/c", metadata={"api_token": canary * 2}),
        role("m/d", bound={"u": f"https://user:{canary}@host"}),
        f"kind: t.role\nname: m/e\nspec: {{bind: {canary}, policies: {{a: {canary}}}}}",
    ]
    said = refused(*documents)
    assert len(said.splitlines()) >= 6
    assert canary not in said


def test_ten_thousand_documents_are_read() -> None:
    files = {
        f"desired-state/{number}.yaml": "\n---\n".join(
            f"kind: t.role\nname: m/r-{number}-{index}\nspec:\n  policies: [default, p-{index}]\n  ttl: 1h\n  uses: 3\n  metadata: {{a: b}}"
            for index in range(100)
        ).encode()
        for number in range(100)
    }
    desired = load(Tree({**tree().files, **files}), "dev", KINDS, today=TODAY)
    assert len(desired.resources) == 10_000


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "x", "t.role", "m/r", "1h", "${{ team }}", "${{ x", "dev", "a@b"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["kind", "name", "spec", "ttl", "ref", "attribute", "from", "environments", "labels", "lifecycle", "${{ team }}"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)
KEYS = ["kind", "name", "spec", "template", "with", "environments", "labels", "lifecycle", "instance", "namespace", "address", "patch"]


@PATIENT
@given(st.dictionaries(st.sampled_from(KEYS), JSON, max_size=6))
def test_no_document_fails_but_in_words(document: dict[str, Any]) -> None:
    text = write_yaml([document])
    files = {"desired-state/overlays/dev/o.yaml": text, "desired-state/a.yaml": text}
    try:
        read(files=files, templates={"x": "parameters: {}\n---\nkind: t.note\nname: ${{ team }}\n"})
    except Invalid as error:
        said = str(error)
    else:
        said = "desired-state/"
    assert said.startswith("desired-state/")
