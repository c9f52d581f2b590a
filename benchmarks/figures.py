"""How long the interactive figures keep the main thread busy for each frame of a drag, beside the 16 ms of a frame.

    python -m benchmarks.figures

Needs the built book and Chromium. Times are of the main thread's own clock, so that a busy machine does not lengthen
them much: scripts, style, layout and painting of a headless browser, a pointer move a frame.
"""

import sys

import numpy as np
from playwright.sync_api import CDPSession, Page, sync_playwright
from tools.audit import HTML, find_browser, serve

FRAMES = 120
DRAGS = {
    "one data point": ("book/index.html", "one-point", ""),
    "a dataset and a learner, 1024 points": (
        "book/07-twin-peaks.html",
        "learner",
        "learner.data=uniform-32&learner.start=-0.5,0.5",
    ),
    "the landscape of failure, 1024 points": (
        "book/05-when-does-it-happen.html",
        "landscape",
        "landscape.data=uniform-32&landscape.start=-0.5,0.5&landscape.steepness=4",
    ),
}
"""For each drag its page, its figure and the state that it starts from."""


def busy(session: CDPSession) -> float:
    """Milliseconds for which the main thread has worked so far."""
    metrics = {entry["name"]: entry["value"] for entry in session.send("Performance.getMetrics")["metrics"]}
    return 1000 * float(metrics["TaskDuration"])


def work_of_frames(page: Page, figure: str) -> list[float]:
    """Milliseconds of work for each frame while the first handle of a figure is dragged round in a circle."""
    page.locator(f'.pjap-figure[data-figure="{figure}"]').evaluate("root => root.scrollIntoView()")
    root = page.locator(f'.pjap-figure[data-figure="{figure}"][data-ready]')
    root.wait_for(state="attached")
    for choice in root.locator("[data-choice=wrong]").all():
        choice.click()  # what will happen? Then it shows all that it has to draw.
    page.wait_for_timeout(500)
    if figure == "landscape":
        page.wait_for_function("document.querySelector('[data-figure=landscape]').hasAttribute('data-settled')")
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    handle = root.locator(".pjap-handle .pjap-mark").first
    handle.scroll_into_view_if_needed()
    box, frame = handle.bounding_box(), root.locator(".pjap-frame").first.bounding_box()
    if box is None or frame is None:
        raise RuntimeError(f"the figure {figure} has no handle or no board in view: build the book again.")
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    work = []
    for turn in np.linspace(0, 2 * np.pi, FRAMES):
        before = busy(session)
        page.mouse.move(
            frame["x"] + frame["width"] * (0.5 + 0.35 * np.cos(turn)),
            frame["y"] + frame["height"] * (0.5 + 0.35 * np.sin(turn)),
        )
        page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        work.append(busy(session) - before)
    page.mouse.up()
    return work


def main() -> None:
    """Print a line for each figure."""
    if not (HTML / "index.html").exists():
        sys.exit("This needs the built book: run `make book`.")
    with serve(HTML) as site, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox", "--disable-gpu"])
        print("milliseconds of work for a frame of a drag: median, 95th percentile")
        for name, (address, figure, state) in DRAGS.items():
            page = browser.new_page(viewport={"width": 1440, "height": 1200}, reduced_motion="reduce")
            page.goto(f"{site}/{address}" + (f"#pjap&{state}" if state else ""))
            median, slow = np.percentile(work_of_frames(page, figure), [50, 95])
            print(f"{name:38} {median:5.1f} {slow:5.1f}")
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
