"""Paper: the rules for a page that is printed, and the PDF of the whole book, tried on a short one.

`python -m tools.pdf` makes the same checks of the whole book when it prints it. The tests in the browser are skipped
where there is no Chromium, unless CI is set.
"""

import io
import re
from collections import Counter

import pytest
import yaml
from bs4 import BeautifulSoup
from pikepdf import Pdf
from tools import pdf
from tools.addresses import read
from tools.audit import HTML
from tools.reference_notebooks import ROOT, contents

WHERE = read()
SHORT = {"book/index": "", "book/bibliography": "Reference", "book/glossary": "Reference"}

NAVIGATION = ".bd-header, .bd-header-article, .bd-sidebar-primary, .bd-sidebar-secondary, .prev-next-footer, .launch"
BUTTONS = "article button, .headerlink, .pjap-figure, #pst-back-to-top, details.hide"


@pytest.fixture(scope="module")
def joined():
    """The whole book as one document, parsed, and its chapters."""
    document, chapters = pdf.join(contents())
    return BeautifulSoup(document, "html.parser"), chapters


@pytest.fixture(scope="module")
def short(site, browser):
    """A book of three pages, printed, and its chapters."""
    document, chapters = pdf.join(SHORT)
    return Pdf.open(io.BytesIO(pdf.print_document(browser, site, document, chapters))), chapters


# A page that a reader prints


def on_paper(visit, name, theme="light"):
    page = visit(f"book/{name}.html", width=pdf.TEXT_WIDTH, theme=theme)
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    return page


@pytest.mark.parametrize("name", ["04-sign-agreement", "07-twin-peaks", "reproduction", "notation", "api-games"])
def test_nothing_is_cut_off_at_the_margin_of_a_printed_page(visit, name):
    assert on_paper(visit, name).evaluate(pdf.TOO_WIDE) == []


def test_what_is_cut_off_would_be_seen(visit):
    page = on_paper(visit, "04-sign-agreement")
    page.evaluate("document.querySelector('article p').style.width = '700px'")
    assert len(page.evaluate(pdf.TOO_WIDE)) == 1
    page.evaluate("document.querySelector('article p').style = 'width: 100px; overflow: hidden; white-space: nowrap'")
    assert len(page.evaluate(pdf.TOO_WIDE)) == 1


def test_a_printed_page_has_its_answers_and_nothing_to_click(visit):
    page = on_paper(visit, "04-sign-agreement")
    for what in (NAVIGATION, BUTTONS):
        found = page.locator(what)
        assert found.count() > 0
        assert [each.evaluate("each => each.className") for each in found.all() if each.is_visible()] == []
    answers = page.locator("article .dropdown > :not(.admonition-title)")
    assert answers.count() >= 8
    page.wait_for_function(
        "[...document.querySelectorAll('.dropdown > *')].every(e => getComputedStyle(e).opacity == 1)"
    )
    assert all(answer.is_visible() for answer in answers.all())


def test_a_dark_page_is_printed_light_and_is_dark_again(visit):
    page = on_paper(visit, "04-sign-agreement", theme="dark")
    ink = "getComputedStyle(document.querySelector('article p')).color"
    filtered = "getComputedStyle(document.querySelector('article figure img')).filter"
    dark_on_white = page.evaluate(ink)
    assert max(map(int, re.findall(r"\d+", dark_on_white)[:3])) < 100, dark_on_white
    assert page.evaluate(filtered) == "none"
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


# The document that is printed


def test_every_page_of_the_book_is_a_chapter_in_its_order(joined):
    document, chapters = joined
    assert [chapter.place for chapter in chapters] == [pdf.place(page) for page in contents()]
    assert [article["id"] for article in document.find_all("article")] == [chapter.place for chapter in chapters]
    numbered = [chapter.title for chapter in chapters if re.match(r"\d+\. ", chapter.title)]
    assert [int(title.partition(".")[0]) for title in numbered] == list(range(1, len(numbered) + 1))
    assert len(numbered) >= 10


def test_every_link_leads_somewhere(joined):
    document, _ = joined
    places = Counter(element["id"] for element in document.find_all(id=True))
    links = [link["href"] for link in document.find_all("a", href=True)]
    inside = {link[1:] for link in links if link.startswith("#")}
    assert len(inside) > 300
    assert {target: places[target] for target in inside if places[target] != 1} == {}
    assert all(re.match("https?:|mailto:", link) for link in links if not link.startswith("#"))


def test_nothing_moves_and_each_film_says_where_it_does(joined):
    document, _ = joined
    assert document.find_all("script") == []
    assert document.select("video, button, .pjap-figure, .launch, details.hide") == []
    pages = [(HTML / f"{page}.html").read_text() for page in contents()]
    films = document.select("figure > img.pjap-video")
    assert len(films) == sum(page.count("<video") for page in pages)
    assert all(film["alt"] and WHERE.site in film.parent.get_text() for film in films)
    moving = sum(page.count('class="pjap-figure"') for page in pages)
    assert len(document.select(".elsewhere")) == moving


def test_code_keeps_every_letter():
    """Long lines are put into elements of their own."""
    for page in ("book/09-from-games-to-mamujoco", "book/index"):
        before = [code.get_text() for code in pdf.parse(page).select("article pre") if not code.find_parent("details")]
        chapter = BeautifulSoup(pdf.read(page, "", [], WHERE).html, "html.parser")
        assert [code.get_text() for code in chapter.find_all("pre")] == before
        assert chapter.select("pre .long")


def test_the_title_page_says_which_edition_it_is(joined):
    document, _ = joined
    cover = document.find(class_="cover").get_text(" ")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert f"Version {citation['version']}" in " ".join(cover.split())
    for wanted in (citation["authors"][0]["name"], *citation["license"], citation["url"], pdf.built_facts()["commit"]):
        assert wanted in cover


@pytest.mark.parametrize(
    ("href", "target"),
    [
        ("#summary", "#ch-one--summary"),
        ("two.html", "#ch-two"),
        ("two.html#fig-a", "#ch-two--fig-a"),
        ("two.html#pjap&figure.start=1,1", "https://site/book/two.html#pjap&figure.start=1,1"),
        ("three.html#fig-a", "https://site/book/three.html#fig-a"),
        ("../slides/lecture.html", "https://site/slides/lecture.html"),
        ("https://elsewhere/page.html", "https://elsewhere/page.html"),
    ],
)
def test_a_link_leads_into_the_document_or_to_the_site(href, target):
    assert pdf.lead(href, "book/one", ["book/one", "book/two"], "https://site/") == target


# The PDF


def test_a_short_book_has_outline_links_and_pages_of_one_size(short):
    printed, chapters = short
    numbers = pdf.page_numbers(printed)
    assert pdf.check(printed, chapters, numbers) == []
    assert [numbers[chapter.place] for chapter in chapters] == sorted({numbers[chapter.place] for chapter in chapters})
    assert str(printed.docinfo["/Author"]) in (ROOT / "CITATION.cff").read_text()
    assert printed.Root.MarkInfo.Marked
    assert printed.Root.Lang == "en"


def test_a_book_that_lacks_something_is_refused(short, monkeypatch):
    printed, chapters = short
    numbers = pdf.page_numbers(printed)
    more = [*chapters, pdf.Chapter("ch-lost", "Lost", "", [], "")]
    assert any("nothing leads to ch-lost" in fault for fault in pdf.check(printed, more, numbers))
    assert any("the outline's chapters" in fault for fault in pdf.check(printed, chapters[:-1], numbers))
    assert any("ch-glossary" in fault for fault in pdf.check(printed, chapters, {**numbers, "ch-glossary": 1}))
    monkeypatch.setattr(pdf, "LOWEST_HEADING", 842)
    assert "'Glossary' is alone at the foot of a page" in pdf.check(printed, chapters, numbers)
    with pytest.raises(ValueError, match="one for each of 1 headings"):
        pdf.finish(printed, ["Lost"])


def test_a_document_that_does_not_fit_is_refused(site, browser):
    document, chapters = pdf.join({"book/errata": "Reference"})
    wide = document.replace("<h1>Errata", '<h1 style="width: 900px">Errata')
    assert wide != document
    with pytest.raises(ValueError, match="wider than the paper: ch-errata: h1"):
        pdf.print_document(browser, site, wide, chapters)


def test_the_landing_page_offers_the_pdf_once():
    landing = (HTML / "book" / "index.html").read_text()
    once = pdf.offer(landing, 300, 10_000_000)
    assert pdf.offer(once, 300, 10_000_000) == once
    assert once.count(f'href="../{pdf.NAME}"') == 1
    assert "(300 pages, 10 MB)" in once
