"""The built pages in a real browser: phone and desktop, light and dark, and no request to another host.

Skipped where there is no Chromium, unless CI is set. Screenshots are left under _build/screenshots.
"""

import os
import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml
from playwright.sync_api import sync_playwright
from tools.reference_notebooks import ROOT

HTML = ROOT / "_build" / "html"
SCREENSHOTS = ROOT / "_build" / "screenshots"
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text())
PAGES = [TOC["root"]] + [chapter["file"] for part in TOC["parts"] for chapter in part["chapters"]]
WIDTHS = {"phone": (390, 844), "desktop": (1440, 900)}
# Jupyter Book's own noise.
ALLOWED = ("THEBE_JS_URL", "invalid theme mode")


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


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("page_name", PAGES)
def test_a_page_shows_itself_whole(site, browser, page_name, width, theme):
    size = dict(zip(("width", "height"), WIDTHS[width], strict=True))
    context = browser.new_context(viewport=size, color_scheme=theme, reduced_motion="reduce")
    context.add_init_script(f"localStorage.setItem('mode', '{theme}'); localStorage.setItem('theme', '{theme}');")
    page = context.new_page()
    errors, foreign = [], []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))

    def refuse_other_hosts(route):
        if route.request.url.startswith((site, "data:", "blob:")):
            return route.continue_()
        foreign.append(route.request.url)
        return route.abort()

    page.route("**/*", refuse_other_hosts)
    page.goto(f"{site}/{page_name}.html", wait_until="load")
    page.wait_for_function("!window.MathJax || !MathJax.startup || MathJax.startup.promise.then(() => true)")
    # Images load as they come near: walk down the page once.
    page.evaluate("document.querySelectorAll('img').forEach(image => image.loading = 'eager')")
    page.wait_for_function("[...document.images].every(image => image.complete)")

    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{page_name.split('/')[-1]}-{width}-{theme}.png", full_page=True)

    assert foreign == []
    assert [error for error in errors if not any(noise in error for noise in ALLOWED)] == []
    assert page.evaluate("[...document.images].filter(image => !image.naturalWidth).map(image => image.src)") == []
    assert page.evaluate("[...document.querySelectorAll('article img')].filter(image => !image.alt).length") == 0
    bare = "[...document.querySelectorAll('article .cell_output img')].filter(image => !image.closest('figure')).length"
    assert page.evaluate(bare) == 0, "a picture without a caption"
    films = page.evaluate(
        "[...document.querySelectorAll('video')].map(film => [film.controls, film.autoplay, !film.error])"
    )
    assert all(film == [True, False, True] for film in films)
    assert page.evaluate("document.querySelectorAll('mjx-merror').length") == 0
    assert page.evaluate("document.documentElement.dataset.theme") == theme
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0, f"the page scrolls sideways by {overflow} px"
    math = page.evaluate(
        "[document.querySelectorAll('.math').length, document.querySelectorAll('mjx-container').length]"
    )
    assert math[1] >= math[0], "some mathematics was not typeset"
    context.close()
