"""What the tests of the interactive figures share: moving handles, reading states, running the copied Python."""

import os
import re
import subprocess
import sys
from urllib.parse import parse_qs

from playwright.sync_api import Locator, Page
from tools.reference_notebooks import ROOT

WEIGHT_LIMIT = 100_000  # bytes, all modules together
FRAME_LIMIT = 16.0  # milliseconds


def figure_on(page: Page, name: str) -> Locator:
    """The figure of that name, once it is ready and in view."""
    # It is drawn when somebody comes near.
    page.locator(f'.pjap-figure[data-name="{name}"]').evaluate("root => root.scrollIntoView()")
    figure = page.locator(f'.pjap-figure[data-name="{name}"][data-ready]')
    figure.wait_for(state="attached")
    figure.scroll_into_view_if_needed()
    return figure


def handle_of(figure: Locator, label: str) -> Locator:
    return figure.get_by_role("slider", name=label)


def place(handle: Locator) -> tuple[float, float]:
    """Where a handle says that it is."""
    text = (handle.get_attribute("aria-valuetext") or "").replace("\N{MINUS SIGN}", "-")
    found = re.fullmatch(r"X (-?\d\.\d\d), Y (-?\d\.\d\d)", text)
    assert found, text
    return float(found[1]), float(found[2])


def on_page(figure: Locator, joint_action: tuple[float, float]) -> tuple[float, float]:
    """The place of a joint action on the first board of a figure, in the window's pixels."""
    box = figure.locator(".pjap-frame").first.bounding_box()
    assert box
    x, y = joint_action
    return box["x"] + (x + 1) / 2 * box["width"], box["y"] + (1 - y) / 2 * box["height"]


def drag(figure: Locator, handle: Locator, target: tuple[float, float], steps: int = 8) -> None:
    """Drag a handle with the mouse to a joint action."""
    mouse = figure.page.mouse
    handle.scroll_into_view_if_needed()
    mouse.move(*on_page(figure, place(handle)))
    mouse.down()
    mouse.move(*on_page(figure, target), steps=steps)
    mouse.up()
    next_frame(figure.page)


def next_frame(page: Page) -> None:
    """Wait until what has changed is drawn."""
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done())))")


def numbers(figure: Locator, name: str) -> list[float]:
    """A machine-readable value of the figure: the numbers of its attribute ``data-name``."""
    text = figure.get_attribute(f"data-{name}")
    assert text is not None, f"the figure has no data-{name}"
    return [float(number) for number in text.split(",")]


def url_state(page: Page, name: str) -> dict[str, str]:
    """The state of a figure in the page's address, once it stands there."""
    page.wait_for_function("name => location.hash.includes(name + '.')", arg=name)
    # Longer than the figure waits before it writes, by the page's own clock: its timers run in order.
    page.evaluate("new Promise(done => setTimeout(done, 300))")
    entries = parse_qs(page.evaluate("location.hash").removeprefix("#pjap&"))
    return {key.removeprefix(f"{name}."): value[0] for key, value in entries.items() if key.startswith(f"{name}.")}


def copied(figure: Locator, button: str) -> str:
    """What a copy button puts into the clipboard."""
    figure.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    pressed = figure.get_by_role("button", name=button).element_handle()
    pressed.click()
    figure.page.wait_for_function("button => button.textContent === 'Copied'", arg=pressed)
    text: str = figure.page.evaluate("navigator.clipboard.readText()")
    return text


def run_python(code: str) -> dict[str, list[float]]:
    """Run Python in an interpreter of its own; its printed lines "some words 1.5" or "some words [1, 2]" as a dict."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "code")}
    command = [sys.executable, "-c", code]
    output = subprocess.run(command, check=True, capture_output=True, text=True, env=environment, timeout=120).stdout
    printed = {}
    for line in output.splitlines():
        found = re.fullmatch(r"([^\[\d-]*?(?: \d+ steps)?) \[?([-\d., e]+)\]?", line)
        assert found, f"cannot read the printed line {line!r}"
        printed[found[1]] = [float(number) for number in found[2].split(",")]
    return printed


def sideways_scroll(page: Page) -> int:
    """By how many pixels the page is wider than its window."""
    overflow: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return overflow


def work_per_frame(figure: Locator, handle: Locator, targets: list[tuple[float, float]]) -> float:
    """Milliseconds of the main thread (scripts, style, layout, paint) for each frame of a drag by mouse.

    The thread's own time, so that a busy machine does not count; moving the mouse from outside does count.
    """
    page = figure.page
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")

    def thread_seconds() -> float:
        metrics = session.send("Performance.getMetrics")["metrics"]
        return float(next(metric["value"] for metric in metrics if metric["name"] == "ThreadTime"))

    handle.scroll_into_view_if_needed()
    page.mouse.move(*on_page(figure, place(handle)))
    page.mouse.down()
    before = thread_seconds()
    for target in targets:
        page.mouse.move(*on_page(figure, target))
        page.evaluate("new Promise(done => requestAnimationFrame(() => done()))")
    work = 1000 * (thread_seconds() - before) / len(targets)
    page.mouse.up()
    return work
