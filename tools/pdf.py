"""Print the whole book as one PDF: the built pages, joined into one document, through Chromium.

    python -m tools.pdf

Nothing is executed or built again. How a page looks on paper is said by `book/_static/print.css`, which also serves a
reader who prints a single page; `book/pdf/template.html` adds the title page and the table of contents. The document is
printed twice: from the first printing come the page numbers that the table of contents shows in the second.

What cannot be seen at a glance is checked before anything is written: that nothing reaches beyond the paper, that the
outline has every chapter, that every link leads somewhere, that fonts are inside. Then the PDF is put beside the built
site, too, and the landing page gets a link to it, which is therefore never dead.
"""

import io
import json
import posixpath
import re
import time
from collections.abc import Iterable, Iterator
from html import escape
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

import jinja2
import yaml
from bs4 import BeautifulSoup, Tag
from markupsafe import Markup
from pikepdf import ObjectStreamMode, OutlineItem, Pdf, String
from playwright.sync_api import Browser, Page, sync_playwright

from pjap.files import write_atomically
from tools import addresses
from tools.audit import HTML, find_browser, serve
from tools.reference_notebooks import ROOT, contents

NAME = "pjap-textbook.pdf"
TARGET = ROOT / "_build" / "pdf" / NAME
TEMPLATE = ROOT / "book" / "pdf" / "template.html"
TEXT_WIDTH = 605
"""CSS pixels between the margins that print.css sets."""
LONGEST_LINE = 72
"""Letters of code that surely fit between the margins, also in a box."""
LARGEST = 25_000_000
"""Bytes of the PDF."""
A4 = (595, 842)
"""Points, rounded."""

LOWEST_HEADING = 100
"""Points from the foot of a page: its margin, the heading, and a line under it."""

# What reaches beyond the paper, or is cut off inside an element that a screen would let scroll.
TOO_WIDE = """() => {
  const found = [], edge = document.documentElement.clientWidth + 1;
  for (const each of document.querySelectorAll("article *, .overview *, .cover *")) {
    const inner = each.matches("mjx-container *:not(mjx-math), svg *");
    if (inner || (each.matches("pre span") && !each.textContent.trim())) continue;  // blanks hang over the line's end
    const box = each.getBoundingClientRect();
    if (!box.width || !box.height) continue;
    const clips = getComputedStyle(each).overflowX != "visible" && each.clientWidth > 0;
    const hidden = clips && each.scrollWidth > each.clientWidth + 1;
    if (box.right > edge || box.left < -1 || hidden) {
      const chapter = each.closest("article")?.id ?? "front";
      found.push(`${chapter}: ${each.tagName.toLowerCase()} "${each.textContent.trim().slice(0, 40)}"`);
    }
  }
  return found;
}"""
UNREADY = """() => [
  ...[...document.images].filter(image => !image.naturalWidth).map(image => `no picture at ${image.src.slice(0, 80)}`),
  ...[...document.querySelectorAll(".math:not(:has(mjx-container)), mjx-merror")].map(
    each => `formula not typeset: ${each.textContent.slice(0, 60)}`),
]"""


class Section(NamedTuple):
    """A section of a chapter: its place, an id of the joined document, and its title."""

    place: str
    title: str


class Chapter(NamedTuple):
    """A page of the site as a chapter of the PDF."""

    place: str
    title: str
    """With its number, if it has one."""
    part: str
    """The caption of the table of contents under which it stands; empty for the landing page."""
    sections: list[Section]
    html: str


def parse(page: str) -> BeautifulSoup:
    """A built page.

    Raises:
        SystemExit: if it has not been built.
    """
    built = HTML / f"{page}.html"
    if not built.exists():
        raise SystemExit(f"{built} is not there, and the PDF is made from the built pages: run `make book` first")
    return BeautifulSoup(built.read_text(encoding="utf-8"), "html.parser")


def place(page: str, fragment: str = "") -> str:
    """The id in the joined document of a page, or of an id on it: pages share ids such as `summary`."""
    stem = f"ch-{page.rsplit('/', 1)[-1]}"
    return f"{stem}--{fragment}" if fragment else stem


def lead(href: str, page: str, pages: Iterable[str], site: str) -> str:
    """Where a page's link leads in the joined document: inside it, or to the published site.

    Args:
        href: the link as it stands on the page.
        page: the page, such as "book/06-pjap".
        pages: those that the document holds.
        site: the public address of the site.
    """
    if re.match(r"[a-z]+:", href):
        return href
    path, _, fragment = href.partition("#")
    file = posixpath.normpath(posixpath.join(posixpath.dirname(page), path)) if path else f"{page}.html"
    # The state of an interactive figure, `#pjap&...`, is a place on a screen alone.
    if (target := file.removesuffix(".html")) in pages and "&" not in fragment:
        return "#" + place(target, fragment)
    return f"{site}{file}" + (f"#{fragment}" if fragment else "")


def read(page: str, part: str, pages: Iterable[str], where: addresses.Addresses) -> Chapter:
    """A built page, changed into a chapter of the joined document."""
    article = parse(page).find("article")
    assert isinstance(article, Tag)
    for needless in article.select("script, .headerlink, .launch, .book-pdf, details.hide"):
        needless.decompose()
    for element in article.find_all(id=True):
        element["id"] = place(page, str(element["id"]))
    article["id"] = place(page)
    for link in article.find_all("a", href=True):
        link["href"] = lead(str(link["href"]), page, pages, where.site)
    for picture in article.find_all("img", loading=True):
        picture["loading"] = "eager"
    _still(article, where.page(page))
    _hang_code(article)
    title, *headings = article.find_all(["h1", "h2"])
    if page == "book/index":
        title.string = "About this book"  # the book's title has a page of its own
    around = [(heading.find_parent("section"), _text(heading)) for heading in headings]
    sections = [Section(str(section["id"]), text) for section, text in around if section]
    return Chapter(place(page), _text(title), part, sections, str(article))


def _still(article: Tag, address: str) -> None:
    """Films become their first picture, and interactive figures a line; both say where they move."""
    link = f'<a href="{address}">{address}</a>'
    for film in article.find_all("video"):
        poster, alt = (escape(str(film[name])) for name in ("poster", "aria-label"))
        caption = f"<figcaption>The first picture of a film. It plays at {link}</figcaption>"
        film.replace_with(_fragment(f'<figure><img class="pjap-video" src="{poster}" alt="{alt}">{caption}</figure>'))
    for figure in article.select(".pjap-figure"):
        note = f"An interactive figure stands here on the screen: {link}"
        figure.replace_with(_fragment(f'<p class="elsewhere">{note}</p>'))


def _hang_code(article: Tag) -> None:
    """Lines of code that are too long for the paper: what wraps stands farther in than the line's beginning."""
    for code in article.find_all("pre"):
        lines = zip(code.decode_contents().splitlines(keepends=True), code.get_text().splitlines(), strict=True)
        inside = "".join(_hang(html, text) for html, text in lines)
        code.replace_with(_fragment(f"<pre>{inside}</pre>"))  # a parser keeps blanks in nothing else


def _hang(html: str, text: str) -> str:
    if len(text) < LONGEST_LINE or html.count("<span") != html.count("</span"):
        return html
    line, end = html.removesuffix("\n"), "\n" if html.endswith("\n") else ""
    return f'<span class="long" style="--in: {len(text) - len(text.lstrip()) + 6}ch">{line}</span>{end}'


def _text(element: Tag) -> str:
    return " ".join(element.get_text().split())


def _fragment(html: str) -> BeautifulSoup:
    return BeautifulSoup(html, "html.parser")


def join(pages: dict[str, str]) -> tuple[str, list[Chapter]]:
    """The document that is printed, to be served from the folder of the pages, and its chapters."""
    where = addresses.read()
    chapters = [read(page, part, pages, where) for page, part in pages.items()]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    title, _, subtitle = citation["title"].partition(": ")
    head = parse(next(iter(pages))).head
    assert head is not None
    wanted = head.find_all("link", rel="stylesheet")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters["css_string"] = lambda text: Markup(json.dumps(text, ensure_ascii=False))
    environment.filters["groupby_in_order"] = lambda items, name: [
        (key, list(group)) for key, group in groupby(items, key=attrgetter(name))
    ]
    document = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        title=title,
        subtitle=subtitle[:1].upper() + subtitle[1:],
        authors=[author["name"] for author in citation["authors"]],
        facts=_facts(citation),
        head="\n".join(map(str, wanted)),
        chapters=chapters,
    )
    return document, chapters


def _facts(citation: dict[str, Any]) -> list[tuple[str, str]]:
    """What the title page says of the edition."""
    built = built_facts()
    code, text = citation["license"]
    return [
        ("Version", str(citation["version"])),
        ("Date", built["date"]),
        ("Commit", built["commit"]),
        ("Licence", f"text and figures {text}, code {code}"),
        ("Site", citation["url"]),
        ("Source", citation["repository-code"]),
    ]


def built_facts() -> dict[str, str]:
    """What the status page says that the pages were built from: commit, date and versions."""
    rows = [row.find_all("td") for row in parse("book/status").find_all("tr")]
    return {_text(cells[0]): _text(cells[1]) for cells in rows if len(cells) == 2}


def print_document(browser: Browser, site: str, document: str, chapters: list[Chapter]) -> bytes:
    """Print the joined document.

    Args:
        browser: Chromium.
        site: the address at which the built site is served.
        document: what `join` made.
        chapters: its chapters.

    Raises:
        ValueError: If the PDF is not what it should be; the message says in what.
    """
    context = browser.new_context(viewport={"width": TEXT_WIDTH, "height": 900}, color_scheme="light")
    page = context.new_page()
    address = f"{site}/book/pdf.html"
    page.route(address, lambda route: route.fulfill(body=document, content_type="text/html; charset=utf-8"))
    page.emulate_media(media="print")
    page.goto(address, wait_until="load")
    page.evaluate("() => document.fonts.ready.then(() => {})")
    if faults := page.evaluate(UNREADY) + [f"wider than the paper: {each}" for each in page.evaluate(TOO_WIDE)]:
        raise ValueError("\n".join(faults))
    numbers = page_numbers(_print(page))
    page.evaluate(
        """numbers => document.querySelectorAll("[data-place]").forEach(
            each => { each.textContent = numbers[each.dataset.place] ?? "?"; })""",
        numbers,
    )
    headings = page.evaluate("[...document.querySelectorAll('h1, h2, h3, h4, h5, h6')].map(each => each.textContent)")
    printed = _print(page)
    context.close()
    finish(printed, headings)
    if faults := check(printed, chapters, numbers):
        raise ValueError("\n".join(faults))
    content = io.BytesIO()
    printed.save(content, object_stream_mode=ObjectStreamMode.generate)  # a third smaller
    return content.getvalue()


def _print(page: Page) -> Pdf:
    content = page.pdf(prefer_css_page_size=True, print_background=True, tagged=True, outline=True)
    return Pdf.open(io.BytesIO(content))


def page_numbers(printed: Pdf) -> dict[str, int]:
    """The page of every place that a link leads to, counted from 1."""
    number = {page.objgen: place for place, page in enumerate(printed.pages, start=1)}
    places: dict[str, Any] = dict(printed.Root.Dests.items())
    return {name.removeprefix("/"): number[there[0].objgen] for name, there in places.items()}


def finish(printed: Pdf, headings: list[str]) -> None:
    """Add what Chromium does not say: the authors, and the outline's titles as they are written.

    In the outline it doubles a title that stands at the head of a page, and drops the blank where one is broken.

    Args:
        printed: the book, changed in place.
        headings: the text of all headings in order.

    Raises:
        ValueError: If the outline has more or fewer entries than the book has headings.
    """
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    printed.docinfo["/Author"] = String(", ".join(author["name"] for author in citation["authors"]))
    printed.docinfo["/Keywords"] = String(", ".join(citation["keywords"]))
    with printed.open_outline() as outline:
        entries = list(_walk(outline.root))
        if len(entries) != len(headings):
            raise ValueError(
                f"the outline has {len(entries)} entries, expected one for each of {len(headings)} headings"
            )
        for entry, heading in zip(entries, headings, strict=True):
            entry.title = " ".join(heading.split())


def _walk(entries: Iterable[OutlineItem]) -> Iterator[OutlineItem]:
    for entry in entries:
        yield entry
        yield from _walk(entry.children)


def _top(entry: OutlineItem) -> float:
    there: Any = entry.destination
    return float(there[3])


def check(printed: Pdf, chapters: list[Chapter], numbers: dict[str, int]) -> list[str]:
    """What is wrong with a printed book.

    Args:
        printed: the book.
        chapters: those that it should have.
        numbers: the page numbers in its table of contents.
    """
    faults = []
    with printed.open_outline() as outline:
        titles = [entry.title for entry in outline.root]
        low = [entry.title for entry in _walk(outline.root) if _top(entry) < LOWEST_HEADING]
    wanted = ["Contents", *(chapter.title for chapter in chapters)]
    if titles != wanted:
        faults.append(f"the outline's chapters are {titles}, expected {wanted}")
    faults += [f"{title!r} is alone at the foot of a page" for title in low]
    found = page_numbers(printed)
    if moved := sorted(name for name in numbers if found.get(name) != numbers[name]):
        faults.append(f"the table of contents is wrong for {moved}")
    places = [
        each for chapter in chapters for each in (chapter.place, *(section.place for section in chapter.sections))
    ]
    faults += [f"nothing leads to {each}" for each in places if each not in found]
    for number, sheet in enumerate(printed.pages, start=1):
        size = tuple(round(float(length)) for length in sheet.mediabox[2:])
        if size != A4:
            faults.append(f"page {number} is {size} points, expected {A4}")
        for note in sheet.get("/Annots", []):
            target = str(note.get("/Dest", "")).removeprefix("/")
            if target and target not in found:
                faults.append(f"a link on page {number} leads to {target}, which is nowhere")
        fonts: dict[str, Any] = dict(sheet.Resources.get("/Font", {}))
        faults += [f"page {number}: font {name} is not embedded" for name in fonts if not _embedded(fonts[name])]
    return faults


def _embedded(font: Any) -> bool:
    if font.Subtype == "/Type3":  # its shapes are drawn in the file
        return True
    described = font.DescendantFonts[0] if "/DescendantFonts" in font else font
    return any(name.startswith("/FontFile") for name in described.get("/FontDescriptor", {}))


def offer(landing: str, pages: int, size: int) -> str:
    """The landing page with a link to the PDF, which lies at the site's root; an older link is replaced."""
    landing = re.sub(r'<p class="book-pdf">.*?</p>', "", landing)
    link = (
        f'<p class="book-pdf"><a href="../{NAME}">The whole book as a PDF</a> ({pages} pages, {size / 1e6:.0f} MB)</p>'
    )
    return re.sub(r'<nav class="launch".*?</nav>', lambda launch: launch[0] + link, landing, count=1)


def main() -> None:
    """Make the PDF and put it beside the site."""
    started = time.perf_counter()
    document, chapters = join(contents())
    with serve(HTML) as site, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox", "--disable-gpu"])
        content = print_document(browser, site, document, chapters)
        browser.close()
    if len(content) > LARGEST:
        raise ValueError(f"the PDF has {len(content):,} bytes, expected at most {LARGEST:,}")
    pages = len(Pdf.open(io.BytesIO(content)).pages)
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(TARGET, content)
    write_atomically(HTML / NAME, content)
    landing = HTML / "book" / "index.html"
    write_atomically(landing, offer(landing.read_text(encoding="utf-8"), pages, len(content)).encode())
    seconds = time.perf_counter() - started
    print(f"{pages} pages, {len(content) / 1e6:.1f} MB, in {seconds:.0f} s: {TARGET.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
