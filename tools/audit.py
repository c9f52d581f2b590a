"""Audit the built book as a publication, and exit non-zero where a target is missed.

    python -m tools.audit                      everything
    python -m tools.audit --no-lighthouse      without the scores, which take minutes

Every page is opened in Chromium at phone size, light and dark. Lighthouse is installed with npm into `_build/` when it
is first needed, and left out, with a word about it, where there is no npm.
"""

import argparse
import gzip
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from jupyter_cache import get_cache
from playwright.sync_api import Browser, Page, Response, Route, sync_playwright

from tools.reference_notebooks import ROOT, contents

HTML = ROOT / "_build" / "html"
PHONE = {"width": 390, "height": 844}
HEAVIEST = 1_000_000
"""Bytes of a page before its images, compressed as a web server sends them."""
LOWEST_SCORE = 95
LIGHTHOUSE = "lighthouse@12"
REPRESENTATIVE = (
    "book/index",
    "book/04-sign-agreement",
    "book/10-halfcheetah-experiment",
    "book/reproduction",
    "book/api-games",
)
"""A landing page, a chapter of each half, a page of tables, and the reference."""
# alt="" marks what is decoration, such as the theme's logo beside the title; figures may not have it.
WITHOUT_ALT = """[...document.images].filter(
    image => !image.hasAttribute("alt") || (image.closest("article") && !image.alt)).map(image => image.src)"""
LAID_OUT = "* { content-visibility: visible !important; }"
"""A style that lays a page out to its end: on a phone, sections wait until they come near."""
COMPRESSIBLE = ("text/", "javascript", "json", "svg")


@dataclass
class Findings:
    """What was found on one page.

    Attributes:
        foreign: addresses on other hosts that the page asked for.
        without_alt: images without alternative text.
        violations: axe's, as "rule: element", both themes.
        weight: bytes of everything but images and films, compressed.
    """

    foreign: list[str] = field(default_factory=list)
    without_alt: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    weight: int = 0


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files, and prints nothing."""

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing."""


class CompressingHandler(QuietHandler):
    """Serves text as web servers do, compressed: Lighthouse rates what comes over the line."""

    protocol_version = "HTTP/1.1"  # connections are kept

    def do_GET(self) -> None:
        """Send a text file compressed, and any other as it is."""
        path = Path(self.translate_path(self.path))
        kind = self.guess_type(str(path))
        if not path.is_file() or not any(word in kind for word in COMPRESSIBLE):
            super().do_GET()
            return
        content = gzip.compress(path.read_bytes())
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "max-age=600")
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Serve a folder on this machine.

    Yields:
        Its address.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(CompressingHandler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def find_browser() -> str:
    """The path of Chromium or Chrome.

    Raises:
        SystemExit: if there is none.
    """
    for name in ("chromium", "chromium-browser", "google-chrome", "chrome"):
        if path := shutil.which(name):
            return path
    raise SystemExit("this needs Chromium or Chrome: install one, for example with apt-get install chromium")


def draw_figures(page: Page) -> None:
    """Come by each interactive figure of a page, as a reader does, and wait until it is drawn."""
    for figure in page.locator(".pjap-figure").all():
        figure.evaluate("root => root.scrollIntoView()")
        page.wait_for_function("root => 'ready' in root.dataset", arg=figure.element_handle())
    page.evaluate("scrollTo(0, 0)")


def axe_violations(page: Page, within: str = "html", rules: Sequence[str] = ()) -> list[str]:
    """What axe-core finds wrong on a page, or within the part of it that a selector names, by all rules or some."""
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = {"type": "rule", "values": list(rules)}
    found = Axe().run(page, context=within, options=options).response["violations"]
    return [f"{violation['id']}: {node['target'][-1]}" for violation in found for node in violation["nodes"]]


def audit_page(browser: Browser, site: str, name: str) -> Findings:
    """Open a page in both themes and look."""
    found = Findings()
    for theme in ("light", "dark"):
        context = browser.new_context(viewport=PHONE, color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
        context.add_init_script(f"localStorage.setItem('mode', '{theme}'); localStorage.setItem('theme', '{theme}');")
        page = context.new_page()

        def refuse_other_hosts(route: Route) -> None:
            if route.request.url.startswith((site, "data:", "blob:")):
                route.continue_()
            else:
                found.foreign.append(route.request.url)
                route.abort()

        def weigh(response: Response) -> None:
            kind = response.request.resource_type
            if kind == "document":
                found.weight += len(gzip.compress((HTML / f"{name}.html").read_bytes()))
            elif kind not in ("image", "media") and response.url.startswith(site):
                found.weight += int(response.headers.get("content-length", 0))

        page.route("**/*", refuse_other_hosts)
        if theme == "light":
            page.on("response", weigh)
        page.goto(f"{site}/{name}.html", wait_until="load")
        page.add_style_tag(content=LAID_OUT)
        draw_figures(page)
        if theme == "light":
            found.without_alt = page.evaluate(WITHOUT_ALT)
        found.violations += [f"{violation} ({theme})" for violation in axe_violations(page)]
        context.close()
    return found


def install_lighthouse() -> Path | None:
    """Lighthouse's command, or None where there is no npm."""
    folder = ROOT / "_build" / "lighthouse"
    command = folder / "node_modules" / ".bin" / "lighthouse"
    if not command.exists():
        npm = shutil.which("npm")
        if npm is None:
            return None
        subprocess.run(
            [npm, "install", "--silent", "--no-fund", "--no-audit", "--prefix", str(folder), LIGHTHOUSE], check=True
        )
    return command


def rate(lighthouse: Path, chrome: str, site: str, name: str) -> dict[str, int]:
    """Lighthouse's four scores of a page, in percent, on its model of a phone."""
    report = ROOT / "_build" / "lighthouse" / f"{name.split('/')[-1]}.json"
    flags = "--headless=new --no-sandbox --disable-gpu"
    command = [str(lighthouse), f"{site}/{name}.html", "--quiet", "--output=json", f"--output-path={report}"]
    subprocess.run([*command, f"--chrome-flags={flags}"], check=True, env={**os.environ, "CHROME_PATH": chrome})
    categories = json.loads(report.read_text())["categories"]
    wanted = ("performance", "accessibility", "best-practices", "seo")
    return {each: round(100 * (categories[each]["score"] or 0)) for each in wanted}


def execution_seconds() -> dict[str, float]:
    """How long the cells of each chapter took when they last ran, from the build's cache."""
    cache = get_cache(ROOT / "_build" / ".jupyter_cache")
    records = cache.list_cache_records()
    return {Path(record.uri).stem: record.data.get("execution_seconds", 0.0) for record in records}


def main() -> int:
    """Print the audit.

    Returns:
        0 if every target is met, else 1.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--no-lighthouse", action="store_true", help="leave the scores out")
    parser.add_argument("--pages", nargs="*", help="names of pages, as book/index; all by default")
    options = parser.parse_args()
    if not (HTML / "index.html").exists():
        raise SystemExit("the book is not built: run `make book` first")
    names, chrome = options.pages or list(contents()), find_browser()
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    missed = []

    with serve(HTML) as site:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chrome, args=arguments)
            found = {}
            for name in names:
                found[name] = audit_page(browser, site, name)
                print(f"{name:<34} {found[name].weight / 1000:6.0f} kB before images", flush=True)
                for problem in dict.fromkeys(found[name].violations + found[name].foreign + found[name].without_alt):
                    print(f"    {problem}")
            browser.close()

        heaviest = max(found, key=lambda name: found[name].weight)
        counts = {
            "foreign requests": sum(len(each.foreign) for each in found.values()),
            "images without alt": sum(len(each.without_alt) for each in found.values()),
            "axe violations": sum(len(each.violations) for each in found.values()),
        }
        print(f"\npages {len(found)}")
        for what, count in counts.items():
            print(f"{what} {count} (target 0)")
            missed += [what] * (count > 0)
        print(
            f"heaviest page before images {found[heaviest].weight // 1000} kB, {heaviest} (target {HEAVIEST // 1000})"
        )
        missed += ["page weight"] * (found[heaviest].weight > HEAVIEST)

        lighthouse = None if options.no_lighthouse else install_lighthouse()
        if lighthouse is None:
            print(
                "Lighthouse left out: " + ("as asked" if options.no_lighthouse else "there is no npm on this machine")
            )
        else:
            for name in REPRESENTATIVE:
                scores = rate(lighthouse, chrome, site, name)
                told = ", ".join(f"{category} {score}" for category, score in scores.items())
                print(f"Lighthouse, {name}: {told} (target {LOWEST_SCORE})", flush=True)
                missed += [f"Lighthouse's {each} of {name}" for each, score in scores.items() if score < LOWEST_SCORE]

    seconds = execution_seconds()
    print(f"cells of {len(seconds)} chapters took {sum(seconds.values()):.0f} s when they last ran")
    for name, each in sorted(seconds.items(), key=lambda pair: -pair[1])[:3]:
        print(f"    {name} {each:.0f} s")
    if missed:
        print("\nmissed: " + "; ".join(missed))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
