"""The pages of a real `reconcile serve`, in a real browser without JavaScript, as people with different tokens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page

from tests.server.browser import CONTRAST, PATIENCE, RULES, chromium, violations
from tests.server.deployment import Deployment, Running, policy, until
from tests.server.test_serving import idle
from tests.server.test_sight import SECRETS

Scheme = Literal["light", "dark"]
READER_ENTITY = "kind: vault.identity_entity\nname: reader\nspec: {policies: [p]}\n"
READER = 'path "reconciler/data/genesis/dev/head" { capabilities = ["read"] }'


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


def opened(browser: Browser, said: list[str], *, script: bool = False) -> Page:
    page = browser.new_context(java_script_enabled=script).new_page()
    page.set_default_timeout(PATIENCE)
    page.on("console", lambda message: said.append(message.text))
    return page


def log_in(page: Page, server: Running, token: str, path: str = "/ui") -> None:
    page.goto(f"http://127.0.0.1:{server.port}{path}")
    page.get_by_label("Vault token").fill(token)
    page.get_by_role("button", name="Log in").click()


def made(deployed: Deployment, rules: str) -> str:
    """A token with one policy of these rules."""
    deployed.vault.write("sys/policies/acl/made", {"policy": rules})
    answer = deployed.vault.write("auth/token/create", {"policies": ["made"], "ttl": "10m"})
    return str(answer["auth"]["client_token"])


def test_somebody_logs_in_finds_an_object_sees_what_a_run_did_to_it_and_logs_out(deployed: Deployment, browser: Browser) -> None:
    deployed.site.write("desired-state/p.yaml", policy("first/*", "<script>alert(1)</script>/*"))
    deployed.site.write("desired-state/reader.yaml", READER_ENTITY)
    deployed.push()
    deployed.site.apply()
    said: list[str] = []
    page = opened(browser, said)
    with deployed.serving() as server:
        until(lambda: idle(server, deployed), "the first looks end")
        log_in(page, server, deployed.environ["VAULT_TOKEN"], "/ui/resources?q=policy")
        assert page.url.endswith("/ui/resources?q=policy"), "the login leads to where it was asked for"
        page.get_by_role("link", name="vault.policy/p").click()
        page.locator("ins", has_text="read").first.wait_for()
        page.get_by_text("<script>alert(1)</script>/*").first.wait_for()
        page.get_by_role("link", name="Runs", exact=True).click()
        page.locator("tbody th a").first.click()
        page.get_by_role("heading", name="vault.policy/p").wait_for()
        page.get_by_role("link", name="Overview").click()
        page.get_by_text("in sync").or_(page.get_by_text("applied")).first.wait_for()
        cookie = page.context.cookies()[0]
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        page.get_by_role("link", name="Access").click()
        page.get_by_label("Path").fill("first/x")
        page.get_by_role("button", name="Ask").click()
        page.get_by_role("rowheader", name="vault.identity_entity/reader").wait_for()
        page.get_by_role("button", name="Log out").click()
        page.goto(f"http://127.0.0.1:{server.port}/ui")
        page.get_by_label("Vault token").wait_for()
        page.context.add_cookies([{"name": cookie["name"], "value": cookie["value"], "url": page.url}])
        page.goto(f"http://127.0.0.1:{server.port}/ui")
        page.get_by_label("Vault token").wait_for()  # the old cookie opens nothing
    assert [line for line in said if "Content Security" in line] == []
    assert deployed.environ["VAULT_TOKEN"] not in "".join(server.said)


def test_a_person_sees_what_their_own_token_may_read(deployed: Deployment, browser: Browser) -> None:
    page = opened(browser, [])
    with deployed.serving() as server:
        log_in(page, server, "made-" + "up")
        page.get_by_role("alert").filter(has_text="Vault does not know this token.").wait_for()
        log_in(page, server, made(deployed, 'path "other/*" { capabilities = ["read"] }'))
        page.get_by_role("heading", name="Not for you").wait_for()
        page.context.clear_cookies()
        token = made(deployed, READER)
        log_in(page, server, token)
        page.get_by_role("heading", name="Overview").wait_for()
        deployed.vault.write("auth/token/revoke", {"token": token})
        until(lambda: page.reload() and page.get_by_label("Vault token").is_visible(), "the session ends with its token")


PAGES = (
    "/ui",
    "/ui/resources",
    "/ui/resources?q=nothing",
    "/ui/resources/vault.policy/p",
    "/ui/runs",
    "/ui/secrets",
    "/ui/access?path=first/x&capability=read",
    "/ui/blocked",
    "/ui/none",
)
GROUNDS: dict[Scheme, str] = {"light": "rgb(255, 255, 255)", "dark": "rgb(16, 22, 29)"}


FEW = "kind: rate_limit\nname: few\nspec: {routes: [/ui/none], limit: 3, per: 1h}\n"


def test_axe_finds_nothing_to_complain_of_in_either_scheme_and_the_policy_blocks_nothing(deployed: Deployment, browser: Browser) -> None:
    deployed.site.write("desired-state/secrets.yaml", SECRETS)
    deployed.site.write("desired-state/few.yaml", FEW)
    deployed.push()
    deployed.site.apply()
    deployed.site.git("-C", str(deployed.clone), "pull", "--quiet", "--ff-only")
    said: list[str] = []
    page = opened(browser, said, script=True)
    found: dict[tuple[str, str], list[str]] = {}

    def look(name: str) -> None:
        for scheme, ground in GROUNDS.items():
            page.emulate_media(color_scheme=scheme)
            assert page.evaluate("getComputedStyle(document.body).backgroundColor") == ground, "the style sheet is in effect"
            found[name, scheme] = violations(page, RULES if scheme == "light" else CONTRAST)

    with deployed.serving() as server:
        until(lambda: idle(server, deployed), "the first looks end")
        page.goto(f"http://127.0.0.1:{server.port}/ui")
        look("login")
        log_in(page, server, deployed.environ["VAULT_TOKEN"])
        page.get_by_role("heading", name="Overview").wait_for()
        for path in PAGES:
            page.goto(f"http://127.0.0.1:{server.port}{path}")
            look(path)
        page.goto(f"http://127.0.0.1:{server.port}/ui/runs")
        page.locator("tbody th a").last.click()
        page.get_by_role("heading", name="vault.policy/p").wait_for()
        look("run")
        page.goto(f"http://127.0.0.1:{server.port}/ui/secrets")
        page.get_by_role("rowheader", name="mine").wait_for()
        until(
            lambda: page.goto(f"http://127.0.0.1:{server.port}/ui/none") and page.get_by_text("Too many requests").is_visible(), "limited"
        )
        look("429")
        assert deployed.site.run("lockdown", "on", "--reason", "a breach").code == 0
        until(
            lambda: page.goto(f"http://127.0.0.1:{server.port}/ui") and page.get_by_text("Locked down").is_visible(), "the banner is shown"
        )
        look("lockdown")
        page.context.clear_cookies()
        log_in(page, server, made(deployed, 'path "other/*" { capabilities = ["read"] }'))
        page.get_by_role("heading", name="Not for you").wait_for()
        look("403")
    assert {place: one for place, one in found.items() if one} == {}
    assert [line for line in said if "Content Security" in line] == []


FOCUSED = """() => {
  const one = document.activeElement;
  const name = one.getAttribute("aria-label") || (one.labels && one.labels.length ? one.labels[0].innerText : one.innerText);
  return [one.tagName.toLowerCase(), name.trim(), getComputedStyle(one).outlineStyle];
}"""


def tabbed(page: Page, most: int = 40) -> list[tuple[str, str]]:
    """What Tab leads to, in order, each of which has to show that it has the focus."""
    found: list[tuple[str, str]] = []
    for _ in range(most):
        page.keyboard.press("Tab")
        tag, name, outline = page.evaluate(FOCUSED)
        if tag == "body" or (found and (tag, name) == found[0]):
            return found
        assert outline != "none", f"{tag} {name} does not show its focus"
        found.append((tag, name))
    raise AssertionError(f"Tab comes to no end: {found}")


NAVIGATION = [("a", name) for name in ("Overview", "Resources", "Runs", "Rotation", "Access", "Blocked")]


def test_all_can_be_done_by_keyboard_in_the_order_of_reading(deployed: Deployment, browser: Browser) -> None:
    deployed.site.write("desired-state/secrets.yaml", SECRETS)
    deployed.push()
    deployed.site.apply()
    deployed.site.git("-C", str(deployed.clone), "pull", "--quiet", "--ff-only")
    page = opened(browser, [], script=True)
    with deployed.serving() as server:
        until(lambda: idle(server, deployed), "the first looks end")
        here = f"http://127.0.0.1:{server.port}"
        page.goto(f"{here}/ui/resources")
        assert tabbed(page) == [("a", "Skip to the content"), ("input", "Vault token"), ("button", "Log in")]
        page.get_by_label("Vault token").focus()
        page.keyboard.type(deployed.environ["VAULT_TOKEN"])
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Resources").wait_for()

        page.goto(f"{here}/ui/resources?q=policy/p")
        search = [("input", "Words of the address"), ("select", "Kind"), ("button", "Search")]
        table = [("div", "Objects that were applied"), ("a", "vault.policy/p")]
        before = [("a", "Skip to the content"), *NAVIGATION, ("button", "Log out"), *search, *table]
        assert tabbed(page)[: len(before)] == before
        page.goto(f"{here}/ui/resources")
        page.keyboard.press("Tab")
        assert page.get_by_role("link", name="Skip to the content").bounding_box()["x"] >= 0, "it is seen once it has the focus"  # type: ignore[index]
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        page.keyboard.press("Tab")
        page.keyboard.type("policy/p")
        page.keyboard.press("Enter")
        page.get_by_text("1 found").wait_for()
        assert page.url.startswith(f"{here}/ui/resources?q=policy%2Fp")

        page.set_viewport_size({"width": 320, "height": 600})
        page.goto(f"{here}/ui/secrets")
        timeline = page.get_by_role("region", name="Secrets by when they are due")
        page.goto(f"{here}/ui/secrets#main")
        page.keyboard.press("Tab")
        assert page.evaluate(FOCUSED)[:2] == ["div", "Secrets by when they are due"]
        page.keyboard.press("ArrowRight")
        until(lambda: timeline.evaluate("one => one.scrollLeft") > 0, "the timeline is moved by keys")
        wide = "[...document.querySelectorAll('body *')].filter(one => !one.closest('.scroll') && one.getBoundingClientRect().right > innerWidth)"
        for path in PAGES:
            page.goto(f"{here}{path}")
            assert page.evaluate(f"{wide}.map(one => one.outerHTML.slice(0, 99))") == [], f"at 320 pixels nothing else of {path} is cut off"
