from __future__ import annotations

import html
import re
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from reconciler.core.address import Address
from reconciler.core.change import Action, Change
from reconciler.core.guard import Guard, Refusal
from reconciler.core.plan import Header, Plan
from reconciler.core.resource import Origin
from reconciler.kinds import KINDS
from reconciler.report.markdown import CUT, LIMIT, escape, plan_markdown

from .plans import ABOUT, EXAMPLE, UNKNOWN, changed, plan

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
OURS = {"details", "summary", "code", "b", "sub"}

NASTY = [
    "`", "```", "\n```\n", "~~~", "|", "<img src=x onerror=alert(1)>", "</details>", "</code>", "<!--", "-->", "@octocat", "#1", "**b**",
    "__b__", "[x](http://evil.example)", "![x](http://evil.example)", "http://evil.example", "www.evil.example", "\n\n# heading\n", "\n- x",
    "&lt;", "\\", "~~s~~", "$x$", "    code", "\t", "\u202e", "\x1b[2J", "> quote", "1. one", "---", "===", "a", " ", "_",
]  # fmt: skip
NAMES = st.lists(st.sampled_from(NASTY), min_size=1, max_size=4).map("".join)


def tokens(text: str) -> Iterator[Token]:
    for token in PARSER.parse(text):
        yield token
        yield from token.children or ()


def tags(text: str) -> list[str]:
    """Every HTML tag that a reader's browser would see, in order, as `name` or `/name`."""
    found = []
    for token in tokens(text):
        if token.type in ("html_block", "html_inline"):
            found += re.findall(r"<(/?[a-z]+)", re.sub(r"<!--.*?-->", "", token.content, flags=re.DOTALL))
    return found


def balanced(text: str) -> bool:
    open_tags: list[str] = []
    for tag in tags(text):
        if not tag.startswith("/"):
            open_tags.append(tag)
        elif not open_tags or open_tags.pop() != tag[1:]:
            return False
    return not open_tags


def prose(text: str) -> str:
    """What a reader sees outside of code: there GitHub looks for mentions and links."""
    seen, inside = [], False
    for token in tokens(text):
        if token.type == "html_inline" and token.content in ("<code>", "</code>"):
            inside = token.content == "<code>"
        elif token.type == "html_block":
            seen.append(html.unescape(re.sub(r"<code>.*?</code>|<[^>]*>", "", token.content)))
        elif token.type == "text" and not inside:
            seen.append(token.content)
    return "\n".join(seen)


def harmless(text: str) -> None:
    """Nothing that stands in the comment is anything but text, code, or what we made of it."""
    assert {tag.lstrip("/") for tag in tags(text)} <= OURS
    assert balanced(text)
    for token in tokens(text):
        assert token.type not in ("link_open", "image", "table_open", "s_open", "hr", "code_block", "ordered_list_open", "lheading_open")
        if token.type == "heading_open":
            assert token.tag in ("h3", "h4")
            assert token.markup in ("###", "####")
    assert not re.search(r"[@#][A-Za-z0-9]|://|www\.", prose(text))


@st.composite
def plans(draw: st.DrawFn, most: int = 6) -> Plan:
    """Plans of which every name and value may try to be markup."""
    policy = KINDS["vault.object"].spec

    def sides(value: str) -> dict[str, dict[str, str]]:
        return {"data": {draw(NAMES): value}}

    changes = []
    for number in range(draw(st.integers(0, most))):
        action = draw(st.sampled_from(Action))
        before = policy.model_validate(sides(draw(NAMES))) if action is not Action.CREATE else None
        after = policy.model_validate(sides(draw(NAMES))) if action is not Action.DELETE else None
        origin = Origin(draw(NAMES), 1) if draw(st.booleans()) else None
        address = Address("vault.object", f"{draw(NAMES)}{number}")
        changes.append(Change(address, action, before, after, origin=origin, loses=draw(st.just("") | NAMES)))
    refusals = tuple(Refusal(draw(st.sampled_from(Guard)), name, draw(NAMES)) for name in draw(st.lists(NAMES, max_size=2)))
    unknown = tuple(UNKNOWN._replace(prefix=name, policy=draw(NAMES), missing=draw(NAMES)) for name in draw(st.lists(NAMES, max_size=2)))
    names = draw(st.lists(NAMES, max_size=2))
    access = tuple({"subject": name, "path": name, "gains": [name], "loses": []} for name in names)
    return plan(*changes, refusals=refusals, unknown=unknown, notes=tuple(names), access=access)


@given(plans())
@settings(max_examples=40)
def test_no_name_or_value_can_be_markup(made: Plan) -> None:
    harmless(plan_markdown(made))


@given(plans(most=12), st.integers(700, 6000))
@settings(max_examples=40)
def test_wherever_it_is_cut_it_is_short_enough_and_all_is_closed(made: Plan, limit: int) -> None:
    text = plan_markdown(made, limit=limit)
    assert len(text) <= limit
    harmless(text)
    if text.endswith(CUT):
        # The last words are read as what they are: inside of no fence and no fold.
        last = [token for token in tokens(text) if token.type == "inline"][-1]
        assert last.children is not None
        assert [child.type for child in last.children] == ["em_open", "text", "em_close"]


@pytest.mark.parametrize("count", [0, 1, 19, 20, 300, 3000])
@pytest.mark.parametrize("action", [Action.CREATE, Action.UPDATE, Action.DELETE])
def test_github_takes_plans_of_any_size(count: int, action: Action) -> None:
    before = {"token_ttl": "1h"} if action is not Action.CREATE else None
    after = {"token_ttl": "2h"} if action is not Action.DELETE else None
    text = plan_markdown(plan(*(changed(f"vault.approle_role/approle/role-{number}", before, after) for number in range(count))))
    assert len(text) <= LIMIT
    assert text.endswith(CUT) is (count == 3000)
    harmless(text)
    head = text.split("\n")[:6]
    assert head[1] == "### Plan for `prod` at `4f2c1ab`"
    assert head[3].startswith(f"**{count:,} to {action}. " if count else "**Nothing to change. ")


def test_a_name_is_read_as_it_is() -> None:
    name = "vault.identity_entity/ann%40x.org and <b> *all* _of_ them | `x`"
    text = plan_markdown(plan(changed("vault.policy/team_a@eu", {}, None)))
    assert "- <code>- vault.policy/team_a@eu</code>\n" in text
    rendered = PARSER.render(escape(name))
    assert html.unescape(re.sub("<[^>]+>|\u200b", "", rendered)).strip() == name


@given(NAMES)
def test_escaped_text_is_shown_as_it_was_written(name: str) -> None:
    shown = html.unescape(re.sub("</?p>", "", PARSER.render(f"x {escape(name)}"))).replace("\u200b", "").strip()
    printable = " ".join(name.split())
    expected = "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in printable)
    assert shown == f"x {expected}".strip()


def test_people_are_not_called_and_issues_not_linked() -> None:
    assert escape("@octocat fixes #12, see owner/repo#3") == "@&#8203;octocat fixes #&#8203;12, see owner/repo#&#8203;3"


def test_destroying_is_never_folded_and_many_creates_are() -> None:
    creates = [changed(f"vault.approle_role/approle/c{number}", None, {"token_ttl": "1h"}) for number in range(20)]
    deletes = [changed(f"vault.approle_role/approle/d{number}", {}, None) for number in range(20)]
    text = plan_markdown(plan(*creates, *deletes))
    assert "\n#### Delete (20)\n\n- <code>- vault.approle_role/approle/d0</code>\n" in text
    assert "\n<details><summary><b>Create (20)</b></summary>\n\n<details><summary><code>+ vault.approle_role/approle/c0</code>" in text
    assert text.index("#### Delete") < text.index("Create (20)")
    assert "#### Create (19)" in plan_markdown(plan(*creates[:19]))


def test_the_comment_can_be_found_again() -> None:
    text = plan_markdown(EXAMPLE)
    assert text.split("\n")[0] == f"<!-- reconciler:plan environment=prod digest={EXAMPLE.digest} -->"
    dirty = plan_markdown(plan(header=Header("p", "dev", "", dirty=True)))
    assert "### Plan for `dev` at `no commit` with uncommitted changes\n" in dirty


def test_what_a_reviewer_must_not_miss_stands_before_the_changes() -> None:
    text = plan_markdown(EXAMPLE, ABOUT)
    order = ["1 to create", "> [!CAUTION]", "> **Refused by `irreversible`.**", "> [!WARNING]", "```hcl", "#### Access", "#### Delete (2)",
             "#### Update (4)", "#### Create (1)", "#### Adopt: already as declared (1)", "Notes (1)"]  # fmt: skip
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    assert "- role genesis-service gains list on genesis/data/api_keys/&#42; (3 secrets)\n" in text


UPDATE = """\
<details><summary><code>~ vault.policy/genesis-service</code> <sub>desired-state/policies/service.yaml:3</sub></summary>

```diff
- genesis/data/api_keys/*: read
+ genesis/data/api_keys/*: list, read
+ genesis/data/payments/*: read with max_wrapping_ttl 1h30m
- old/*: deny
```

</details>
"""


def test_an_object_is_a_fold_with_a_diff() -> None:
    text = plan_markdown(EXAMPLE)
    assert UPDATE in text
    assert "```diff\n+ password: (secret changed)\n```" in text
    assert "\n\n\n" not in text
    fences = [token for token in tokens(text) if token.type == "fence"]
    assert [fence.info for fence in fences] == ["hcl", *["diff"] * 5]


def test_many_gaps_and_refusals_do_not_push_the_plan_out_of_the_comment() -> None:
    refusals = tuple(Refusal(Guard.TAKEOVER, f"vault.policy/p{number}", "exists" * 100) for number in range(2000))
    text = plan_markdown(plan(*EXAMPLE.changes, refusals=refusals, unknown=(UNKNOWN,) * 2000))
    assert "> - and 1,980 more" in text
    assert "#### Create (1)" in text


def test_access_is_a_list_by_subject_and_folded_when_long() -> None:
    entries = tuple(
        {"subject": f"role r{number}", "path": path, "gains": [path], "loses": []} for number in range(7) for path in ("a", f"b{number}")
    )
    assert "#### Access\n\n- role r0\n  - gains a on a\n  - gains b0 on b0\n- role r1\n" in plan_markdown(plan(access=entries[:4]))
    folded = plan_markdown(plan(access=entries))
    assert "<details><summary><b>Access (14)</b></summary>\n\n- role r0\n" in folded
    harmless(folded)
