"""The dashboard in a real browser; skipped where there is no Chromium."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright import sync_api as playwright

from tests.integration.commands import L4, start
from tests.integration.configs import QUICK_CHECKS, pool, tcp, write_config
from tests.integration.echo import EchoServer
from tests.integration.processes import BIN, Processes, run, wait_until
from tests.integration.wire import connect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One for all tests."""
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page on which no script may fail."""
    page = browser.new_page(viewport={"width": 390, "height": 900})
    page.set_default_timeout(15_000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    page.close()
    assert errors == []


def test_a_server_is_drained_by_the_page(page: Any, processes: Processes, tmp_path: Path) -> None:
    """It shows what the command prints, warns of the last server, and does not scroll sideways on a phone."""
    with EchoServer("a") as a, EchoServer("b") as b:
        pools = {"app": pool({"a": a.address, "b": f"{b.address}, state=drain"}, QUICK_CHECKS)}
        file = write_config(tmp_path, {"raw": tcp()}, pools=pools, admin={"bind": "127.0.0.1:0"})
        start(L4, processes, file)
        admin = processes.start("admin", [f"{BIN}/deston", "admin", "--config", str(file)])

        def told() -> dict[str, Any]:
            done = run([f"{BIN}/deston", "status", "--json", "--config", str(file)])
            found: dict[str, Any] = json.loads(done.out)["pools"]["app"]["servers"]
            return found

        wait_until(lambda: told()["a"]["health"] == "up", "up")
        page.goto(admin.wait_for(r"the API are at (\S+)")[1])
        row = page.locator("tbody tr").first
        playwright.expect(row).to_contain_text(str(a.address))
        playwright.expect(row).to_contain_text("up")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.get_by_role("button", name="Drain a").click()
        playwright.expect(page.get_by_role("alert").filter(has_text="last server")).to_be_visible()
        page.keyboard.press("Escape")
        playwright.expect(page.get_by_role("dialog")).to_have_count(0)
        assert told()["a"]["admin"] == "ready"
        page.get_by_role("button", name="Drain a").click()
        page.get_by_role("button", name="Apply").click()
        playwright.expect(row).to_contain_text("drain")
        assert told()["a"]["admin"] == "drain"
        listener = page.locator(".listeners tbody tr")
        playwright.expect(listener).to_contain_text("raw")
        fold = page.get_by_role("button", name="Servers of pool app")
        fold.press("Enter")
        playwright.expect(row).to_be_hidden()
        fold.press("Enter")
        row.get_by_role("link", name="a", exact=True).click()
        checks = page.get_by_role("list", name="Last checks")
        playwright.expect(checks.get_by_role("listitem").nth(1)).to_contain_text("passed")
        a.stop()
        playwright.expect(checks).to_contain_text("failed connection refused")


def test_a_session_is_ended_by_the_page(page: Any, processes: Processes, tmp_path: Path) -> None:
    """What is open with a server stands on its page, and is ended after a question."""
    with EchoServer("a") as a:
        file = write_config(
            tmp_path, {"raw": tcp()}, pools={"app": pool({"a": a.address})}, admin={"bind": "127.0.0.1:0"}
        )
        l4 = start(L4, processes, file)
        admin = processes.start("admin", [f"{BIN}/deston", "admin", "--config", str(file)])
        page.goto(admin.wait_for(r"the API are at (\S+)")[1] + "#/pool/app/a")
        playwright.expect(page.get_by_text("Nothing.", exact=True)).to_be_visible()
        with connect(l4.address) as client:
            client.send(b"GET /?sleep=9 HTTP/1.1\r\nHost: a\r\n\r\n")
            row = page.locator(".sessions tbody tr")
            playwright.expect(row).to_contain_text(f"127.0.0.1:{client.socket.getsockname()[1]}")
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            row.get_by_role("button").click()
            page.get_by_role("button", name="End", exact=True).click()
            assert client.was_reset()
            playwright.expect(page.get_by_text("Nothing.", exact=True)).to_be_visible()


def test_a_token_is_asked_for(page: Any, processes: Processes, tmp_path: Path) -> None:
    """A wrong one is told, and the right one is kept by the tab."""
    keys = {"bind": "127.0.0.1:0", "token": "w"}
    file = write_config(tmp_path, {"raw": tcp()}, pools={"app": pool({"a": "127.0.0.1:1"})}, admin=keys)
    admin = processes.start("admin", [f"{BIN}/deston", "admin", "--config", str(file)])
    page.goto(admin.wait_for(r"the API are at (\S+)")[1])
    page.get_by_role("textbox", name="Token").fill("x")
    page.get_by_role("button", name="Go on").click()
    playwright.expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_role("textbox", name="Token").fill("w")
    page.get_by_role("button", name="Go on").click()
    playwright.expect(page.locator("tbody tr").first).to_contain_text("127.0.0.1:1")
    page.reload()
    playwright.expect(page.locator("tbody tr").first).to_contain_text("127.0.0.1:1")
