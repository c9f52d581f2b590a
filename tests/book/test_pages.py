"""The built pages in a real browser: phone and desktop, light and dark, and no request to another host.

Skipped where there is no Chromium, unless CI is set. With PJAP_SCREENSHOTS set, pictures of all pages are left
under _build/screenshots.
"""

import os

import pytest
from tools.audit import LAID_OUT, axe_violations, draw_figures
from tools.reference_notebooks import contents

from tests.book.conftest import SCREENSHOTS

CUT_OFF = """[...document.querySelectorAll("article span.math")]
  .filter((each) => each.clientWidth)
  .filter((each) => each.querySelector("mjx-math").getBoundingClientRect().width > each.clientWidth + 2)
  .map((each) => each.querySelector("mjx-assistive-mml").textContent)"""
WIDTHS = {"phone": (360, 780), "desktop": (1440, 900)}


# The theme changes colours, and the phone shows those: on a desktop, one page of each kind is enough in the dark.
DARK_ON_A_DESKTOP = ("book/index", "book/04-sign-agreement", "book/reproduction")
VIEWS = [
    (page_name, width, theme)
    for page_name in contents()
    for width, theme in (("phone", "light"), ("phone", "dark"), ("desktop", "light"), ("desktop", "dark"))
    if (width, theme) != ("desktop", "dark") or page_name in DARK_ON_A_DESKTOP
]


@pytest.mark.parametrize(("page_name", "width", "theme"), VIEWS)
def test_a_page_shows_itself_whole(visit, page_name, width, theme):
    across, down = WIDTHS[width]
    page = visit(f"{page_name}.html", width=across, height=down, theme=theme, reduced_motion="reduce")
    page.add_style_tag(content=LAID_OUT)
    draw_figures(page)
    page.evaluate("document.fonts.ready.then(() => true)")
    # Images load as they come near: walk down the page once.
    page.evaluate("document.querySelectorAll('img').forEach(image => image.loading = 'eager')")
    page.wait_for_function("[...document.images].every(image => image.complete)")

    if "PJAP_SCREENSHOTS" in os.environ:
        SCREENSHOTS.mkdir(exist_ok=True)
        page.screenshot(path=SCREENSHOTS / f"{page_name.split('/')[-1]}-{width}-{theme}.png", full_page=True)

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
    if width == "phone":  # where most overflows
        assert axe_violations(page, rules=["color-contrast"] if theme == "dark" else []) == []
    if width == "phone" and theme == "light":  # also in what is folded away: the theme hides what does not fit
        page.evaluate(
            "document.querySelectorAll('.toggle-hidden').forEach(each => each.classList.remove('toggle-hidden'))"
        )
        page.evaluate("document.querySelectorAll('article details').forEach(each => (each.open = true))")
        assert page.evaluate(CUT_OFF) == [], "a formula in the text is cut off: give it lines of its own, or part it"


def test_code_that_overflows_can_be_reached_by_keyboard_and_other_code_is_passed_by(visit):
    page = visit("book/04-sign-agreement.html", width=360, height=780)
    page.add_style_tag(content=LAID_OUT)
    code = page.locator("pre[tabindex]").filter(visible=True)
    code.first.wait_for()
    wide = code.evaluate_all("all => all.map(each => each.scrollWidth > each.clientWidth)")
    assert {True, False} == set(wide), "this test needs a page with code of both kinds"
    reached = code.evaluate_all("all => all.map(each => each.tabIndex === 0)")
    assert all(can for can, over in zip(reached, wide, strict=True) if over)

    narrow = code.nth(wide.index(False))
    narrow.evaluate("each => each.scrollIntoView()")
    page.wait_for_function("each => each.tabIndex === -1", arg=narrow.element_handle())


@pytest.mark.parametrize(("name", "holds"), [("primary", "Twin peaks"), ("secondary", "Exercises")])
def test_both_menus_open_on_a_phone(visit, name, holds):
    page = visit("book/04-sign-agreement.html", width=390, height=780)
    page.locator(f".{name}-toggle").filter(visible=True).click()
    menu = page.locator("dialog[open]")
    menu.get_by_role("link", name=holds).first.wait_for()


def test_a_full_stop_stays_with_its_formula(visit):
    page = visit("book/04-sign-agreement.html", width=390, height=780)
    assert page.locator(".glued").count() > 50
    assert (
        page.evaluate("[...document.querySelectorAll('.glued')].filter(each => each.getClientRects().length > 1)") == []
    )
