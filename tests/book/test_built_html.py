"""The built pages as files: what screen readers, search engines and printers depend on. No browser is needed."""

import itertools
import re
import subprocess

import pytest
from bs4 import BeautifulSoup
from PIL import Image
from tools.audit import HTML
from tools.reference_notebooks import contents

from pjap import priorities


@pytest.fixture(scope="module")
def read():
    """A page, parsed once."""
    assert (HTML / "index.html").exists(), "the book is not built: run `make book` first"
    kept = {}

    def parse(name):
        if name not in kept:
            kept[name] = BeautifulSoup((HTML / f"{name}.html").read_text(encoding="utf-8"), "html.parser")
        return kept[name]

    return parse


@pytest.mark.parametrize("name", contents())
def test_headings_are_in_order_and_tables_have_headers(read, name):
    article = read(name).find("article")
    levels = [int(heading.name[1]) for heading in article.find_all(re.compile("^h[1-6]$"))]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(below <= above + 1 for above, below in itertools.pairwise(levels)), levels
    assert all(table.find("th") for table in article.find_all("table"))


@pytest.mark.parametrize("name", contents())
def test_the_head_describes_the_page(read, name):
    head = read(name).head
    described = head.find("meta", attrs={"name": "description"})["content"]
    assert 20 < len(described) <= 170
    for wanted in ("og:title", "og:description", "og:type", "og:site_name"):
        assert head.find("meta", attrs={"property": wanted})["content"]
    canonical = head.find("link", rel="canonical")
    address = head.find("meta", attrs={"property": "og:url"})
    assert (canonical and canonical["href"]) == (address and address["content"])
    assert (canonical is None) == (not (HTML / "sitemap.xml").exists())


@pytest.mark.parametrize("name", contents())
def test_nothing_is_loaded_from_elsewhere_or_for_nothing(read, name):
    loaded = [tag.get("src") or tag.get("href") for tag in read(name).find_all(["script", "img", "video", "iframe"])]
    loaded += [tag["href"] for tag in read(name).find_all("link") if "canonical" not in tag["rel"]]
    assert [address for address in loaded if address and re.match("(https?:)?//", address)] == []
    assert not any(address and "fontawesome.js" in address for address in loaded)


@pytest.mark.parametrize("name", contents())
def test_figures_are_sharp_and_light(read, name):
    for shown in read(name).select("article .cell_output figure img[src$='.png']"):
        with Image.open((HTML / f"{name}.html").parent / shown["src"]) as picture:
            assert picture.width == pytest.approx(2 * int(shown["width"]), abs=1), shown["alt"]
            assert picture.mode == "P" or shown.find_parent(class_="tag_photo"), f"{shown['alt']} has needless colours"


def test_functions_and_chapters_link_to_each_other(read):
    for name in priorities.__all__:
        entry = read("book/api").find(id=f"pjap.priorities.{name}").parent
        assert entry.find("a", href=re.compile("06-pjap.html#")), f"{name} does not lead to its chapter"
    assert read("book/notation").find("a", href=re.compile(r"api.html#pjap.priorities.effective_sample_size"))
    assert read("book/06-pjap").find("a", href=re.compile(r"api-games.html#pjap.games"))


def test_the_status_page_names_chapters_versions_and_the_commit(read):
    text = read("book/status").get_text(" ")
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=HTML, capture_output=True, text=True)
    if commit.returncode == 0:
        assert re.search(r"\b[0-9a-f]{40}\b", text)
    rows = [row.get_text(" ").split() for row in read("book/status").find("table").find_all("tr")[1:]]
    assert len(rows) >= 11
    assert all(float(row[-2]) > 0 for row in rows)
