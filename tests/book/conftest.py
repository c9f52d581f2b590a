"""The built book in a real browser: no request to another host, and what went wrong on a page is kept."""

import os
import shutil
import threading
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Page, sync_playwright
from tools.reference_notebooks import ROOT

HTML = ROOT / "_build" / "html"
SCREENSHOTS = ROOT / "_build" / "screenshots"
# Jupyter Book's own noise.
ALLOWED = ("THEBE_JS_URL", "invalid theme mode")


@dataclass(frozen=True)
class Visit:
    """A page that is open, the errors it raised and the addresses it asked other hosts for."""

    page: Page
    errors: list[str]
    foreign: list[str]


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def site():
    """The address of the built book, served on this machine."""
    assert (HTML / "index.html").exists(), "the book is not built: run `make book` first"
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(HTML)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="module")
def browser():
    # A session-wide browser would leave an event loop running under the tests of other files.
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    path = next((found for name in names if (found := shutil.which(name))), None)
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("CI needs Chromium: none of these was found: " + ", ".join(names))
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def visit(site, browser):
    """``visit(address, width=, height=, theme=, **context)`` opens a page of the book; the test may open several.

    Every request to another host is refused. When the test is over, none may have been made and no error raised.
    """
    visits = []

    def open_page(address, *, width=1440, height=900, theme="light", **context_options):
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=theme, **context_options
        )
        context.set_default_timeout(120_000)  # on a busy machine, half a minute is short
        context.add_init_script(f"localStorage.setItem('mode', '{theme}'); localStorage.setItem('theme', '{theme}');")
        page = context.new_page()
        errors, foreign = [], []
        visits.append(Visit(page, errors, foreign))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))

        def refuse_other_hosts(route):
            if route.request.url.startswith((site, "data:", "blob:")):
                return route.continue_()
            foreign.append(route.request.url)
            return route.abort()

        page.route("**/*", refuse_other_hosts)
        page.goto(f"{site}/{address}", wait_until="load")
        return page

    yield open_page
    for visited in visits:
        visited.page.context.close()
    assert [address for visited in visits for address in visited.foreign] == []
    errors = [error for visited in visits for error in visited.errors]
    assert [error for error in errors if not any(noise in error for noise in ALLOWED)] == []
