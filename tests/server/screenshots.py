"""Draw the pages for docs/dashboard.md, as a real Chromium shows them: `python -m tests.server.screenshots`."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

from tests.server.browser import PATIENCE, chromium
from tests.server.deployment import Deployment, Running, policy, until
from tests.server.test_serving import idle

from .trial import trial

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "dashboard"
SHOTS = {
    "overview": "/ui",
    "resources": "/ui/resources?q=policy",
    "resource": "/ui/resources/vault.policy/p",
    "access": "/ui/access?path=orders/data/one&capability=read",
}
# The pictures name nobody, and no machine.
ROBOT = {"GITHUB_ACTIONS": "true", "GITHUB_ACTOR": "deploy-robot", "GITHUB_RUN_ID": "1842"}
TEAMS = "---\n".join(
    f"kind: vault.policy\nname: {name}\nspec: {{rules: [{{path: {name}/data/*, capabilities: [read, list]}}]}}\n"
    for name in ("billing", "identity", "orders", "search", "shipping")
)
PEOPLE = """\
kind: vault.identity_group
name: buyers
spec: {policies: [orders, billing]}
---
kind: vault.identity_entity
name: reports
spec: {policies: [p]}
"""


def draw(page: Page, server: Running, token: str) -> None:
    here = f"http://127.0.0.1:{server.port}"
    page.goto(here + "/ui")
    page.screenshot(path=FOLDER / "login.png")
    page.get_by_label("Vault token").fill(token)
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name="Overview").wait_for()
    for name, path in SHOTS.items():
        page.goto(here + path)
        page.screenshot(path=FOLDER / f"{name}.png")
    page.goto(here + "/ui/runs")
    page.locator("tbody th a").first.click()
    page.get_by_role("heading", name="vault.policy/p").wait_for()
    page.emulate_media(color_scheme="dark")
    page.screenshot(path=FOLDER / "run-dark.png")


def prepare(deployed: Deployment) -> None:
    deployed.site.write("desired-state/teams.yaml", TEAMS)
    deployed.site.write("desired-state/people.yaml", PEOPLE)
    deployed.push()
    deployed.site.apply()
    deployed.site.write("desired-state/p.yaml", policy("orders/data/*", "billing/data/*"))
    deployed.push()
    deployed.site.apply()
    deployed.site.git("-C", str(deployed.clone), "pull", "--quiet", "--ff-only")


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with trial(**ROBOT) as deployed, chromium() as browser:
        prepare(deployed)
        page = browser.new_context(java_script_enabled=False, viewport={"width": 1100, "height": 720}).new_page()
        page.set_default_timeout(PATIENCE)
        with deployed.serving() as server:
            until(lambda: idle(server, deployed), "the first looks end")
            draw(page, server, deployed.environ["VAULT_TOKEN"])


if __name__ == "__main__":
    main()
