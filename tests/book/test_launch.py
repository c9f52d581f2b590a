"""Chapters away from this book: notebooks in plain Markdown, the links that open them, and Python in the browser."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from urllib.parse import parse_qs, unquote, urlparse

import nbformat
import pytest
import yaml
from axe_playwright_python.sync_playwright import Axe
from jupyterlite_pyodide_kernel.constants import PYODIDE_CDN_URL, PYODIDE_VERSION
from nbclient import NotebookClient
from packaging.requirements import Requirement
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError
from tools import addresses, browser_site, published_notebooks
from tools import reference_notebooks as reference
from tools.addresses import ROOT, Addresses
from tools.launch_buttons import runs_in_a_browser

from tests.book.conftest import HTML, SCREENSHOTS

EXECUTED = reference.chapters()
GAME_HALF = [chapter for chapter in EXECUTED if runs_in_a_browser(chapter)]
HERE = addresses.read()


def by_name(page):
    return page.stem


def published(chapter):
    return nbformat.read(ROOT / "book" / f"{chapter.stem}.ipynb", as_version=4)


def plain(text, values=None):
    """The cells of a page of chapter 4 that says this."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text)])
    return published_notebooks.publish(notebook, "book/04-sign-agreement", values or {}).cells[1:]


# Addresses


def test_no_file_names_another_address():
    """pyproject.toml says it once; whoever settles the address finds here what was forgotten."""
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    forms = {
        rf"github\.com(?:/github)?/([\w.-]+/{HERE.name})\b": HERE.owner_and_name,
        rf"mybinder\.org/v2/gh/([\w.-]+/{HERE.name})\b": HERE.owner_and_name,
        rf"(https://[\w.-]+/{HERE.name}/)": HERE.site,
    }
    others = []
    named = 0
    for path in filter(None, tracked.split("\0")):
        if (ROOT / path).suffix in {".npz", ".mp4", ".woff", ".woff2", ".png"}:
            continue
        text = (ROOT / path).read_text()
        for form, ours in forms.items():
            found = re.findall(form, text)
            named += len(found)
            others += [f"{path}: {name}" for name in found if name != ours]
    assert others == [], "run `make notebooks`, and correct by hand what is not a notebook"
    assert named > len(EXECUTED)


def test_the_citation_gives_the_same_addresses():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["repository-code"] == HERE.repository
    assert citation["url"] == HERE.site


def test_addresses_that_cannot_work_are_refused():
    with pytest.raises(ValueError, match=r"expected 'https://github.com/OWNER/NAME'"):
        Addresses("https://gitlab.com/a/b", "https://a.github.io/b/")
    with pytest.raises(ValueError, match="ends with '/'"):
        Addresses("https://github.com/a/b", "https://a.github.io/b")


# Notebooks in plain Markdown


@pytest.mark.parametrize("chapter", EXECUTED, ids=by_name)
def test_a_published_notebook_is_valid_and_plain(chapter):
    notebook = published(chapter)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert "mystnb" not in cell.metadata
        if cell.cell_type == "markdown":
            assert not re.search(
                r":::|^`{3,}\{|\{[a-z:-]+\}`|^\([\w-]+\)=$|^\$\$ \([\w-]+\)$|pjap-figure", cell.source, re.M
            ), cell.source
            assert cell.source.count("<details>") == cell.source.count("</details>")
            # Jupyter takes mathematics out before it looks for quotes: a quote's mark would end up inside it.
            assert not re.search(r"(?m)^> \$\$$", cell.source), cell.source


@pytest.mark.parametrize("chapter", EXECUTED, ids=by_name)
def test_a_folded_solution_hides_the_solution_alone(chapter):
    """What follows it must begin with a heading of its level or above, else it would be hidden with it."""
    after = re.findall(r"\{solution-end\}\n:::\n+(.*)", chapter.read_text())
    assert all(re.match(r"##? |### |:::\{exercise-start\}", line) for line in after), after
    notebook = published(chapter)
    folded = [cell for cell in notebook.cells if cell.metadata.get("jp-MarkdownHeadingCollapsed")]
    assert len(folded) == chapter.read_text().count("{solution-start}")
    assert all(cell.source.startswith("#### Solution of Exercise ") for cell in folded)
    assert notebook.metadata["colab"]["collapsed_sections"] == [cell.metadata["id"] for cell in folded]


@pytest.mark.parametrize("chapter", EXECUTED, ids=by_name)
def test_references_say_what_the_built_page_says(chapter):
    html = (HTML / "book" / f"{chapter.stem}.html").read_text()
    said = dict(re.findall(r'href="[^"#]*#([\w-]+)"><span class="std std-(?:num)?ref">([^<]*)</span>', html))
    said |= dict(re.findall(r'href="[^"#]*#([\w-]+)">((?:Eq\.|[A-Z][a-z]+) [\d.]+)</a>', html))
    labels = {label.anchor: label.text for label in published_notebooks.labels().values()}
    compared = {anchor: text for anchor, text in said.items() if anchor in labels and not anchor.startswith("ch-")}
    assert {anchor: labels[anchor] for anchor in compared} == compared
    if chapter.name[0].isdigit():
        assert len(compared) >= 3
    for number, title in re.findall(r'<h1><span class="section-number">(\d+)\. </span>([^<]*)', html):
        here = next(label for label in published_notebooks.labels().values() if label.page == f"book/{chapter.stem}")
        assert (here.number, here.text) == (number, title.replace("’", "'"))


def test_an_admonition_becomes_a_quote_and_an_answer_details():
    (cell,) = plain(
        "::::{admonition} Check\n:class: tip\nWhy?\n\n:::{admonition} Answer\n:class: dropdown\nSo.\n:::\n::::\nOn."
    )
    assert cell.source == (
        "> **Check**\n>\n> Why?\n>\n> <details>\n> <summary>Answer</summary>\n>\n> So.\n>\n> </details>\n\nOn."
    )


def test_displayed_mathematics_keeps_its_number_and_fits_a_quote():
    (cell,) = plain(":::{prf:proposition} Help\n:label: prop-help-or-harm\n$$\nx\n= y\n$$ (eq-help-or-harm)\n:::")
    assert cell.source == r"> **Proposition 4.1 (Help).**" + "\n>\n" + r"> $$ x = y \tag{4.1} $$"


def test_references_in_the_page_are_text_and_beyond_it_links():
    (cell,) = plain("{eq}`eq-help-or-harm`, {numref}`Chapter {number} <ch-brud>`, {prf:ref}`prop-marginal-blindness`")
    page = f"{HERE.site}book/03-best-response-under-data.html"
    assert cell.source == f"Eq. 4.1, [Chapter 3]({page}), [Proposition 3.3]({page}#prop-marginal-blindness)"


def test_citations_and_values_are_written_out():
    (cell,) = plain("{cite:t}`tilbury2024`: {glue:text}`v` {cite:p}`nadaraya1964,watson1964`", {"v": "0.5"})
    assert cell.source == (
        "[Tilbury et al. (2024)](https://arxiv.org/abs/2407.01343): 0.5 (Nadaraya, 1964; Watson, 1964)"
    )


def test_an_interactive_figure_leaves_a_link():
    (cell,) = plain('Look.\n\n<div class="pjap-figure" data-figure="one-point"></div>')
    assert f"{HERE.site}book/04-sign-agreement.html" in cell.source
    assert "<div" not in cell.source


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        (":::{mystery}\nText\n:::", ValueError, "'mystery' has no plain form"),
        ("{mystery}`text`", ValueError, "{mystery} has no plain form"),
        (":::{admonition} Open\nText", ValueError, "never closed"),
        ("{glue:text}`nothing`", KeyError, "nothing"),
        ("{numref}`fig-nothing`", KeyError, "fig-nothing"),
    ],
)
def test_what_has_no_plain_form_is_refused(text, error, words):
    with pytest.raises(error, match=words):
        plain(text)


def test_requirements_follow_from_the_imports():
    assert published_notebooks.requirements("import numpy, json\nfrom pjap.games import learn") == ("figures", [])
    assert published_notebooks.requirements("import jax\nimport scipy.stats") == ("figures", ["jax", "scipy"])
    assert published_notebooks.requirements("import jax\nfrom pjap.mamujoco import learner") == ("mamujoco", [])
    film = "from pjap.games import figures\nfigures.video(figure, draw, 9, description='')"
    assert published_notebooks.requirements(film) == ("figures", ["imageio-ffmpeg"]), "imported where the film is made"


def test_binder_installs_what_every_notebook_needs():
    lines = (ROOT / ".binder" / "requirements.txt").read_text().splitlines()
    package, *others = [line for line in lines if line and not line.startswith("#")]
    assert package == ".[mamujoco]"
    given = published_notebooks._distributions_of("mamujoco") | {Requirement(line).name for line in others}
    for chapter in EXECUTED:
        source = "\n".join(cell.source for cell in reference.read(chapter).cells if cell.cell_type == "code")
        assert set(published_notebooks.requirements(source)[1]) <= given, chapter.stem


# Notebooks that run elsewhere


def run_away_from_the_book(cells, folder):
    """Run a notebook of these cells in a folder, without myst_nb, as on Colab."""
    no_myst = nbformat.v4.new_code_cell("import sys\nsys.modules['myst_nb'] = None")
    notebook = nbformat.v4.new_notebook(cells=[no_myst, *cells])
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    return notebook


def test_a_chapter_runs_without_the_book_beside_it(tmp_path):
    kept = published(ROOT / "book" / "01-offline-coordination.md")
    run = run_away_from_the_book(kept.cells, tmp_path)
    compared = [cell for cell in kept.cells if reference.COMPARED in cell.metadata.get("tags", [])]
    again = {cell.id: cell for cell in run.cells}
    printed = 0
    for cell in compared:
        expected = "".join(output.text for output in cell.outputs if output.output_type == "stream")
        assert "".join(output.text for output in again[cell.id].outputs if output.output_type == "stream") == expected
        printed += bool(expected)
    assert printed >= 3


@pytest.mark.parametrize("chapter", EXECUTED, ids=by_name)
def test_results_are_fetched_where_they_are_missing(chapter, tmp_path):
    first, *cells = published(chapter).cells
    source = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    needed = published_notebooks.results_read(source)
    assert ("git clone" in first.source) == bool(needed)
    if not needed:
        return
    public = tmp_path / "public" / HERE.name
    shutil.copytree(ROOT / "book" / "results", public / "book" / "results")
    author = ["-c", "user.name=author", "-c", "user.email=author@example.org"]
    for command in (["init", "--quiet"], ["add", "."], [*author, "commit", "--quiet", "--message", "results"]):
        subprocess.run(["git", *command], cwd=public, check=True)
    first.source = first.source.replace(HERE.repository, public.as_uri())
    look = f"from pathlib import Path\nprint([path for path in {needed} if not Path(path).exists()])"
    (tmp_path / "reader").mkdir()
    run = run_away_from_the_book([first, nbformat.v4.new_code_cell(look)], tmp_path / "reader")
    assert run.cells[-1].outputs[0].text == "[]\n"


needs_network = pytest.mark.skipif(
    "PJAP_NETWORK" not in os.environ,
    reason="needs the package index and Pyodide's CDN: set PJAP_NETWORK where they are reached",
)


@needs_network
def test_the_first_cell_makes_a_bare_python_run_the_chapter(tmp_path):
    """As on Colab: nothing but Jupyter is there. The repository is this one, as last committed."""
    public, bare, reader = tmp_path / "public" / HERE.name, tmp_path / "bare", tmp_path / "reader"
    subprocess.run(["git", "clone", "--quiet", "--bare", ROOT.as_uri(), public], check=True)
    subprocess.run([sys.executable, "-m", "venv", bare], check=True)
    # The pip that comes with Python 3.11 takes no address of a repository on this machine.
    pip = [bare / "bin" / "python", "-m", "pip", "install", "--quiet", "--upgrade"]
    subprocess.run([*pip, "pip", "ipykernel", "nbclient"], check=True)
    notebook = published(ROOT / "book" / "07-twin-peaks.md")
    notebook.cells[0].source = notebook.cells[0].source.replace(HERE.repository, public.as_uri())
    reads = next(place for place, cell in enumerate(notebook.cells) if '"results/' in cell.source)
    del notebook.cells[reads + 1 :]
    reader.mkdir()
    nbformat.write(notebook, reader / "chapter.ipynb")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [bare / "bin" / "jupyter-execute", "--kernel_name=python3", "chapter.ipynb"]
    result = subprocess.run(command, cwd=reader, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    installed = [bare / "bin" / "python", "-c", "import pjap; print(pjap.__file__)"]
    where = subprocess.run(installed, cwd=reader, env=environment, capture_output=True, text=True, check=True).stdout
    assert where.startswith(str(bare))


# Links on the pages


@pytest.mark.parametrize("chapter", EXECUTED, ids=by_name)
def test_the_links_lead_to_the_notebook(chapter):
    html = (HTML / "book" / f"{chapter.stem}.html").read_text()
    (nav,) = re.findall(r'<nav class="launch".*?</nav>', html)
    links = {text: address for address, text in re.findall(r'<a href="([^"]*)"[^>]*>([^<]*)</a>', nav)}
    colab = urlparse(links.pop("Open in Colab"))
    assert colab.path.startswith(f"/github/{HERE.owner_and_name}/blob/{addresses.BRANCH}/")
    binder = urlparse(links.pop("Open in Binder"))
    assert binder.path == f"/v2/gh/{HERE.owner_and_name}/{addresses.BRANCH}"
    for path in (colab.path.split("/blob/main/")[1], parse_qs(binder.query)["urlpath"][0].removeprefix("lab/tree/")):
        assert (ROOT / unquote(path)).samefile(ROOT / "book" / f"{chapter.stem}.ipynb")
    downloaded = HTML / "book" / links.pop("Download notebook")
    assert downloaded.read_bytes() == (ROOT / "book" / f"{chapter.stem}.ipynb").read_bytes()
    if runs_in_a_browser(chapter):
        here = urlparse(links.pop("Run in your browser"))
        assert (HTML / "book" / here.path).is_file(), "the browser's site is not built: run `make book`"
        assert (HTML / "lite" / "files" / parse_qs(here.query)["path"][0]).is_file()
    else:
        assert "needs JAX and MuJoCo" in nav
    assert links == {}


def test_other_pages_have_no_links():
    for name in ("notation", "glossary", "bibliography"):
        assert 'class="launch"' not in (HTML / "book" / f"{name}.html").read_text()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("name", ["04-sign-agreement", "08-games-with-states"])
def test_the_links_are_seen_named_and_reached_by_keyboard(site, browser, name, width, theme):
    context = browser.new_context(viewport={"width": width, "height": 700}, color_scheme=theme, accept_downloads=True)
    context.add_init_script(f"localStorage.setItem('mode', '{theme}'); localStorage.setItem('theme', '{theme}');")
    page = context.new_page()
    page.goto(f"{site}/book/{name}.html", wait_until="load")
    nav = page.get_by_role("navigation", name="Run this chapter")
    links = nav.get_by_role("link")
    names = links.all_inner_texts()
    expected = ["Open in Colab", "Open in Binder", "Download notebook"]
    assert names == (["Run in your browser", *expected] if name.startswith("04") else expected)
    links.first.focus()
    for link in names[1:]:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.innerText") == link
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    for box in (link.bounding_box() for link in links.all()):
        assert box["height"] >= 24, "too small for a finger"
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"launch-{name}-{width}-{theme}.png")
    found = Axe().run(page, context=".launch")
    assert found.violations_count == 0, found.generate_report()
    with page.expect_download() as download:
        nav.get_by_role("link", name="Download notebook").click()
    assert download.value.suggested_filename == f"{name}.ipynb"
    context.close()


# Python in the browser


def test_in_the_browser_a_film_asks_for_nothing_and_does_not_fail():
    cells = ["import pjap", "import scipy\nfigures.video(figure, draw, 9, description='')", "import jax"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    first, film, missing = browser_site.for_browser(notebook).cells
    assert first.source.endswith('%pip install --quiet "pjap[figures]" scipy')
    assert film.source == cells[1]
    assert "tags" not in film.metadata
    assert "raises-exception" in missing.metadata["tags"]


def test_the_browser_gets_the_game_half_the_package_and_the_results():
    files = HTML / "lite" / "files"
    assert {path.stem for path in files.glob("*.ipynb")} == {chapter.stem for chapter in GAME_HALF}
    (name,) = json.loads((HTML / "lite" / "pypi" / "all.json").read_text())
    assert name == "pjap"
    assert (HTML / "lite" / "pypi" / f"pjap-{version('pjap')}-py3-none-any.whl").is_file()
    for chapter in GAME_HALF:
        notebook = nbformat.read(files / f"{chapter.stem}.ipynb", as_version=4)
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        assert '%pip install --quiet "pjap[figures]"' in code[0].source
        for cell in code:
            assert all((files / path).exists() for path in published_notebooks.results_read(cell.source))
            missing = browser_site.NOT_IN_PYODIDE & set(published_notebooks.requirements(python_of(cell))[1])
            assert bool(missing) == ("raises-exception" in cell.metadata.get("tags", []))


def python_of(cell):
    return "\n".join(line for line in cell.source.splitlines() if not line.startswith("%"))


@pytest.fixture(scope="module")
def runtime():
    """Pyodide's runtime from npm and the pure wheels that the kernel asks for, as a folder like the CDN's."""
    folder = ROOT / "_build" / f"pyodide-{PYODIDE_VERSION}"
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        run_or_skip(["npm", "pack", "--silent", f"pyodide@{PYODIDE_VERSION}"], folder)
        shutil.unpack_archive(folder / f"pyodide-{PYODIDE_VERSION}.tgz", folder)
        lock = json.loads((folder / "package" / "pyodide-lock.json").read_text())
        wanted = kernel_wheels(lock["packages"])
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        pip += ["--python-version", lock["info"]["python"], "--dest", str(folder / "package"), *wanted, "comm"]
        run_or_skip(pip, folder)
        # Some of Pyodide's own wheels are the index's without their tests: other bytes, hence other hashes.
        for package in lock["packages"].values():
            wheel = folder / "package" / package["file_name"]
            if wheel.exists():
                package["sha256"] = hashlib.sha256(wheel.read_bytes()).hexdigest()
        (folder / "package" / "pyodide-lock.json").write_text(json.dumps(lock))
        (folder / "complete").touch()
    return folder / "package"


def run_or_skip(command, folder):
    """Run a package manager; where it is not there or finds no network, skip the test, but fail it under CI."""
    try:
        subprocess.run(command, cwd=folder, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"Pyodide's runtime cannot be fetched: {error}")


def kernel_wheels(packages):
    """What the kernel asks Pyodide for, with all that it depends on, as NAME==VERSION."""
    wanted, found = ["micropip", "ipython", "jedi"], {}
    while wanted:
        name = wanted.pop().replace("_", "-")
        if name not in found:
            found[name] = packages[name]["version"]
            wanted += packages[name]["depends"]
    return [f"{name}=={number}" for name, number in sorted(found.items())]


def stand_in_for_the_network(runtime, refused, route):
    """Answer for the CDN from the runtime's folder and for the package index about `comm`; refuse the rest."""
    address = route.request.url
    path = runtime / address.rsplit("/", 1)[-1]
    headers = {"Access-Control-Allow-Origin": "*"}
    if address == "https://pypi.org/simple/comm/":
        (wheel,) = runtime.glob("comm-*.whl")
        file = {
            "filename": wheel.name,
            "url": f"{PYODIDE_CDN_URL}/{wheel.name}",
            "hashes": {"sha256": hashlib.sha256(wheel.read_bytes()).hexdigest()},
        }
        index = {"meta": {"api-version": "1.0"}, "name": "comm", "files": [file]}
        kind = "application/vnd.pypi.simple.v1+json"
        return route.fulfill(body=json.dumps(index), headers=headers, content_type=kind)
    if address.startswith(PYODIDE_CDN_URL) and path.is_file():
        kinds = {".mjs": "text/javascript", ".wasm": "application/wasm", ".json": "application/json"}
        kind = kinds.get(path.suffix, "application/octet-stream")
        return route.fulfill(body=path.read_bytes(), headers=headers, content_type=kind)
    refused.append(address)
    return route.abort()


def run_in_the_browser(page, site, name, seconds):
    """Open a notebook of the browser's site, run all cells, and wait for what the last one prints."""
    page.goto(f"{site}/lite/notebooks/index.html?path={name}")
    page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=120_000)
    started = page.locator(".jp-InputPrompt").get_by_text(re.compile(r"\[(\*|\d+)\]"))
    for _ in range(6):  # a menu that opens before the notebook is ready does nothing
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        with suppress(PlaywrightTimeoutError):
            started.first.wait_for(timeout=10_000)
            break
    page.locator(".jp-OutputArea-output").get_by_text(THE_END).wait_for(timeout=1000 * seconds)


THE_END = "ran to the end"
LAST = nbformat.v4.new_code_cell(f"print('{THE_END}')")


@pytest.fixture
def put_into_the_site():
    """Put a notebook in the place of one of the browser's site, and put that back afterwards."""
    path = HTML / "lite" / "files" / "index.ipynb"
    before = path.read_bytes()

    def put(notebook):
        nbformat.write(notebook, path)
        return path.name

    yield put
    path.write_bytes(before)


def test_python_starts_offline_in_the_browser_and_imports_the_package(site, browser, runtime, put_into_the_site):
    """NumPy's wheel is on the CDN alone: without it the package installs and imports, and its games do not."""
    cells = [
        "%pip install --quiet --no-deps pjap",
        "import pjap\nfrom importlib.metadata import version\nprint('package', version('pjap'), pjap.__doc__[:20])",
        "from pathlib import Path\nprint('results', Path('results/twin-peaks-paper.json').exists())",
        "try:\n    import pjap.games\nexcept ModuleNotFoundError as error:\n    print('missing', error.name)",
    ]
    kernel = {"kernelspec": {"name": "python", "display_name": "Python (Pyodide)", "language": "python"}}
    notebook = nbformat.v4.new_notebook(cells=[*map(nbformat.v4.new_code_cell, cells), LAST], metadata=kernel)
    name = put_into_the_site(notebook)
    refused = []
    context = browser.new_context()
    context.route(lambda url: not url.startswith(site), partial(stand_in_for_the_network, runtime, refused))
    page = context.new_page()
    run_in_the_browser(page, site, name, 240)
    printed = page.locator(".jp-OutputArea-output").all_inner_texts()
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / "lite.png")
    context.close()
    assert [line.strip() for line in printed] == [
        f"package {version('pjap')} Coordination failure",
        "results True",
        "missing numpy",
        THE_END,
    ]
    assert refused == []


@needs_network
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("chapter", GAME_HALF, ids=by_name)
def test_a_chapter_runs_in_the_browser(site, browser, put_into_the_site, chapter):
    """Running all stops at the first error, so the added last cell prints only if no cell has failed."""
    notebook = nbformat.read(HTML / "lite" / "files" / f"{chapter.stem}.ipynb", as_version=4)
    notebook.cells.append(LAST)
    context = browser.new_context()
    run_in_the_browser(context.new_page(), site, put_into_the_site(notebook), 1200)
    context.close()
