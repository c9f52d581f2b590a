"""What a lecturer takes from the book: the chapter on teaching, and the slides in a real browser.

The slides are made anew from the execution cache, so that the book has to be built. The browser's tests are skipped
where there is no Chromium, unless CI is set.
"""

import re
from itertools import pairwise
from urllib.parse import parse_qs

import pytest
from tools import slides as tool
from tools.reference_notebooks import ROOT, chapters

from tests.book.figure_tools import copied, figure_on

HTML = ROOT / "_build" / "html"
TEACH = (ROOT / "book" / "teach.md").read_text()
SOURCE = tool.SOURCE.read_text()

# What is drawn outside of its slide, or over what stands next to it.
ASTRAY = """number => {
  const slide = document.querySelectorAll("section")[number];
  const box = element => element.getBoundingClientRect();
  const edge = box(slide), inside = [...slide.querySelectorAll("*")].filter(each => box(each).width);
  const out = inside.filter(each => box(each).left < edge.left - 1 || box(each).right > edge.right + 1
    || box(each).top < edge.top - 1 || box(each).bottom > edge.bottom + 1).map(each => each.tagName);
  const [head, words, foot] = ["h1, h2", ".words", ".foot"].map(each => box(slide.querySelector(each)));
  if (words.top < head.bottom - 1) out.push("words over the title");
  if (words.bottom > foot.top + 1) out.push("words over the foot");
  const picture = slide.querySelector(".picture");
  const over = picture && box(picture).right > words.left + 1 && box(picture).bottom > words.top + 1;
  if (over) out.push("picture over words");
  if (slide.scrollHeight > slide.clientHeight || slide.scrollWidth > slide.clientWidth) out.push("cut off");
  return out;
}"""


@pytest.fixture(scope="module")
def collected():
    return tool.collect(chapters())


@pytest.fixture(scope="module")
def slides(collected):
    return tool.read(SOURCE, *collected)


@pytest.fixture(scope="module")
def deck(slides, tmp_path_factory):
    """The address of the slides, as a file."""
    target = tmp_path_factory.mktemp("slides") / "lecture.html"
    tool.write(slides, target)
    return target.as_uri()


def open_deck(browser, deck, width=1280, height=720, **settings):
    page = browser.new_context(viewport={"width": width, "height": height}, **settings).new_page()
    requests, errors = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: errors.append(message.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(deck)
    return page, requests, errors


def test_the_slides_fill_the_lecture_that_the_chapter_plans(slides):
    assert 40 <= sum(slide.minutes for slide in slides) <= 45
    parts = re.findall(r"(?m)^\| (\d+)–(\d+) \| .* \| (\d+) \|$", TEACH)
    for first, last, minutes in parts:
        assert sum(slide.minutes for slide in slides[int(first) - 1 : int(last)]) == int(minutes)
    covered = [number for first, last, _ in parts for number in range(int(first), int(last) + 1)]
    assert covered == list(range(1, len(slides) + 1))


def test_each_slide_has_notes_and_one_start(slides):
    for before, after in pairwise(slides):
        assert after.starts == before.starts + before.minutes
    assert all(len(slide.notes) > 60 for slide in slides)


def test_figures_are_the_chapters_own_with_their_words(slides):
    shown = [slide.figure for slide in slides if slide.figure]
    assert len(shown) >= 10
    assert len({figure.label for figure in shown}) == len(shown)
    for figure in shown:
        assert len(figure.alt) > 40, figure.label
        page = HTML / "book" / f"{figure.page}.html"
        assert f'id="{figure.label}"' in page.read_text(), "the link under the figure leads nowhere"


def test_the_chapters_own_alt_texts_are_used(collected):
    figures, _ = collected
    for page in chapters():
        for label in re.findall(r"(?m)^    name: (fig-\S+)$", page.read_text()):
            assert figures[label].page == page.stem


def test_no_measured_number_is_typed():
    """Outside of formulas, addresses and quotations of glued names no slide holds a decimal or a percentage."""
    words = re.sub(r"\{glue:text\}`[^`]+`|<(p|span) class=\"formula\">.*?</\1>|\[[^]]*\]\([^)]*\)", "", SOURCE)
    assert re.findall(r"\d+\.\d+|\d+ ?%", words) == []
    assert len(re.findall(r"\{glue:text\}", SOURCE)) >= 15


@pytest.mark.parametrize(
    ("slide", "complaint"),
    [
        ("# A\nminutes: 1\n![](fig-nowhere)\n???\nNotes.", "fig-nowhere"),
        ("# A\nminutes: 1\n{glue:text}`ch1-nothing`\n???\nNotes.", "ch1-nothing"),
        ("# A\nminutes: 1\nWords, and no notes.", "Words, and no notes"),
        ("# A\nNo minutes.\n???\nNotes.", "minutes"),
    ],
)
def test_what_is_missing_is_named(collected, slide, complaint):
    with pytest.raises(ValueError, match=complaint):
        tool.read(slide, *collected)


def test_a_chapter_that_was_not_run_is_named(tmp_path):
    page = tmp_path / "new.md"
    page.write_text((ROOT / "book" / "index.md").read_text().replace("figures.use_book_style()", "changed = True"))
    with pytest.raises(ValueError, match=r"new\.md has not been run"):
        tool.collect([page])


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 720), (1920, 1080), (1024, 768)], ids=str)
def test_every_slide_fits_its_screen_and_needs_nothing_else(browser, deck, slides, size, scheme):
    page, requests, errors = open_deck(browser, deck, *size, color_scheme=scheme)
    for number in range(len(slides)):
        page.evaluate("number => document.querySelectorAll('section')[number].scrollIntoView()", number)
        assert page.evaluate(ASTRAY, number) == [], f"slide {number + 1}"
    assert page.evaluate("[...document.images].filter(image => !image.naturalWidth || !image.alt).length") == 0
    assert [url for url in requests if url != deck and not url.startswith("data:")] == []
    assert errors == []
    page.context.close()


def test_a_slide_that_is_too_full_would_be_seen(browser, deck):
    page, _, _ = open_deck(browser, deck)
    page.evaluate("document.getElementById('2').querySelector('.words').append('too much '.repeat(100))")
    assert page.evaluate(ASTRAY, 1) != []
    page.context.close()


def test_keys_turn_the_slides_and_open_the_notes(browser, deck, slides):
    page, _, errors = open_deck(browser, deck)

    def comes_to(place):
        shown = "Math.round(scrollY / innerHeight) + 1"
        page.wait_for_function(f"place => {shown} === place && location.hash === '#' + place", arg=place)

    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    comes_to(3)
    page.keyboard.press("ArrowLeft")
    comes_to(2)
    with page.expect_popup() as opened:
        page.keyboard.press("s")
    notes = opened.value
    assert slides[1].title not in notes.inner_text("#next")
    assert notes.inner_text("#title") == slides[1].title
    assert f"minute {slides[1].starts} to {slides[2].starts}" in notes.inner_text("#place")
    notes.keyboard.press("ArrowRight")
    comes_to(3)
    assert "Keep the table in sight" in notes.inner_text("#notes")
    page.keyboard.press("End")
    page.keyboard.press("ArrowRight")
    comes_to(len(slides))
    assert errors == []
    page.context.close()


def test_a_phone_shows_slides_and_notes_one_under_another(browser, deck):
    page, _, _ = open_deck(browser, deck, 360, 800)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.locator(".notes").first.is_visible()
    assert page.evaluate("[...document.images].every(image => image.getBoundingClientRect().right <= 360)")
    page.context.close()


def test_the_sessions_fill_two_weeks():
    sessions = re.findall(r"(?ms)^### Session \d+(.*?)(?=^###? )", TEACH)
    assert len(sessions) == 6
    for session in sessions:
        assert sum(map(int, re.findall(r"\((\d+) min\)", session))) == 90
    handed_out = "".join(re.findall(r"(?i)hand out assignments? ([\d and]+)", " ".join(sessions)))
    assert [number for number in "1234" if number in handed_out] == list("1234")


def test_each_misconception_has_a_figure_that_cures_it():
    part = TEACH.split("## Common misconceptions")[1].split("\n## ")[0]
    claims = re.findall(r"(?ms)^\*\*\".*?(?=^\*\*\"|\Z)", part)
    assert len(claims) >= 10
    assert all("{numref}`fig-" in claim for claim in claims)


def test_questions_to_discuss_have_hidden_answers():
    part = TEACH.split("## Questions to discuss")[1].split("\n## ")[0]
    questions = re.findall(r":::\{admonition\} [^\n]*\?\n:class: dropdown\n", part)
    assert len(questions) >= 6
    assert part.count(":::{admonition}") == len(questions)


def test_links_of_the_chapter_that_are_plain_html_lead_somewhere():
    plain = re.findall(r'href="([^"#]+)', TEACH)
    assert plain
    assert all((HTML / "book" / link).resolve().exists() for link in plain), plain


def test_the_built_chapter_leads_to_the_slides():
    assert "../slides/lecture.html" in (HTML / "book" / "teach.html").read_text()
    assert tool.TARGET == HTML / "slides" / "lecture.html"
    assert tool.TARGET.exists(), "the slides are not made: run `make book`"


@pytest.mark.parametrize("link", re.findall(r'href="([^"]*#pjap&amp;[^"]*)"', TEACH))
def test_a_configured_link_sets_its_figure(visit, link):
    """A state that the figure cannot read would leave its own in place, without a word."""
    link = link.replace("&amp;", "&")
    wanted = {key: value[0] for key, value in parse_qs(link.partition("#pjap&")[2]).items()}
    (name,) = {key.partition(".")[0] for key in wanted}
    figure = figure_on(visit(f"book/{link}"), name)
    address = copied(figure, "Copy link")
    found = {key: value[0] for key, value in parse_qs(address.partition("#pjap&")[2]).items()}
    assert {key: found.get(key) for key in wanted} == wanted
