"""Make the slides of the single lecture from the executed chapters: one HTML file that needs nothing beside it.

    python -m tools.slides

The source is `book/slides/lecture.md`. A line `---` parts two slides, a line `???` parts a slide from its speaker
notes. A slide has a title, the minutes it takes, and Markdown in which `![](fig-label)` is a chapter's figure with its
alt text and ``{glue:text}`name` `` a number that a chapter has glued. Both come from the book's execution cache: the
slides say what the book says. The file is written beside the built pages, for which it has links.
"""

import base64
import re
import struct
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import jupytext
from jupyter_cache import get_cache
from markdown_it import MarkdownIt

from pjap.files import write_atomically
from tools.published_notebooks import glued
from tools.reference_notebooks import ROOT, chapters

SOURCE = ROOT / "book" / "slides" / "lecture.md"
TEMPLATE = ROOT / "book" / "slides" / "template.html"
CACHE = ROOT / "_build" / ".jupyter_cache"
TARGET = ROOT / "_build" / "html" / "slides" / "lecture.html"


class Figure(NamedTuple):
    """A figure of the book."""

    label: str
    page: str
    """The page's name, without its ending."""
    chapter: str
    """How the slides name the chapter."""
    alt: str
    png: str
    """The picture, in base64."""
    width: int
    height: int


class Slide(NamedTuple):
    """One slide; `words` and `notes` are HTML."""

    title: str
    minutes: int
    starts: int
    """How many minutes the slides before it take."""
    figure: Figure | None
    words: str
    notes: str

    @property
    def layout(self) -> str:
        """The picture above the words, beside them, or none."""
        if self.figure is None:
            return "plain"
        return "wide" if self.figure.width > 1.5 * self.figure.height else "beside"


def collect(pages: list[Path], cache_folder: Path = CACHE) -> tuple[dict[str, Figure], dict[str, str]]:
    """All figures of executed pages by label, and all glued texts by name.

    Raises:
        ValueError: If a page has not been run as it stands.
    """
    cache = get_cache(cache_folder)
    figures, texts = {}, {}
    for page in pages:
        written = jupytext.read(page)
        try:
            executed = cache.get_cache_bundle(cache.match_cache_notebook(written).pk).nb
        except KeyError:
            raise ValueError(f"{page} has not been run as it stands, expected its outputs: run `make book`") from None
        # The cache knows code alone: alt texts are read from the page, which may have changed since.
        cells = [cell for cell in written.cells if cell.cell_type == "code"]
        outputs = [cell.outputs for cell in executed.cells if cell.cell_type == "code"]
        for cell, shown in zip(cells, outputs, strict=True):
            figures.update(_figures(cell.metadata.get("mystnb", {}), shown, page))
        texts.update({name: re.sub(r"-(?=\d)", "\N{MINUS SIGN}", text) for name, text in glued(executed).items()})
    return figures, texts


def _figures(notes: dict[str, Any], outputs: list[Any], page: Path) -> dict[str, Figure]:
    label = notes.get("figure", {}).get("name")
    pictures = [output["data"]["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    if label is None or not pictures:
        return {}
    number = re.match(r"\d+", page.stem)
    chapter = f"chapter {int(number[0])}" if number else "the first page"
    png = pictures[0].replace("\n", "")
    width, height = struct.unpack(">II", base64.b64decode(png[:64])[16:24])
    alt = " ".join(notes["image"]["alt"].split())
    return {label: Figure(label, page.stem, chapter, alt, png, width, height)}


def read(source: str, figures: dict[str, Figure], texts: dict[str, str]) -> list[Slide]:
    """The slides of a source.

    Raises:
        ValueError: If a slide has no title, minutes or notes, or asks for a figure or a number that no chapter has.
    """
    slides: list[Slide] = []
    for part in re.split(r"(?m)^---$", source):
        slide = re.fullmatch(r"\s*# ([^\n]+)\n+minutes: (\d+)\n(.*?)^\?\?\?$(.*)", part, flags=re.DOTALL | re.MULTILINE)
        if slide is None:
            raise ValueError(f"expected a title, `minutes:`, words, `???` and notes, got the slide:\n{part.strip()}")
        title, minutes, words, notes = slide.groups()
        labels = re.findall(r"!\[\]\(([^)]+)\)", words)
        if len(labels) > 1 or not figures.keys() >= set(labels):
            raise ValueError(f"slide {title!r}: expected at most one figure, and one of the chapters', got {labels}")
        words = re.sub(r"!\[\]\([^)]+\)", "", words)
        starts = sum(before.minutes for before in slides)
        figure = figures[labels[0]] if labels else None
        slides.append(Slide(title, int(minutes), starts, figure, _html(words, texts), _html(notes, texts)))
    return slides


def _html(markdown: str, texts: dict[str, str]) -> str:
    asked = set(re.findall(r"\{glue:text\}`([^`]+)`", markdown))
    if unknown := asked - texts.keys():
        raise ValueError(f"no chapter glues {sorted(unknown)}, which the slides quote")
    filled = re.sub(r"\{glue:text\}`([^`]+)`", lambda name: texts[name[1]], markdown)
    return str(MarkdownIt("commonmark", {"html": True}).enable("table").render(filled))


def write(slides: list[Slide], target: Path) -> None:
    """Write the whole file or nothing."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    page = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(slides=slides)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, page.encode())


def main() -> None:
    """Write the slides of the lecture."""
    slides = read(SOURCE.read_text(encoding="utf-8"), *collect(chapters()))
    write(slides, TARGET)
    print(f"{len(slides)} slides for {sum(slide.minutes for slide in slides)} minutes: {TARGET.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
