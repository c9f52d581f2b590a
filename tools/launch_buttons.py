"""A Sphinx extension: under each executed chapter's title, links that open its notebook elsewhere.

The theme's own launch buttons are not used: they offer JupyterLite on every page, and a download that is full of MyST.
"""

from pathlib import Path
from shutil import copyfile
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config

from tools import addresses


def runs_in_a_browser(chapter: Path) -> bool:
    """Whether a chapter, given as its source, needs nothing but what Pyodide has: the game half does."""
    return "pjap.mamujoco" not in chapter.read_text()


def buttons(page: str, to_root: str, where: addresses.Addresses) -> str:
    """The links of a page as HTML.

    Args:
        page: its source's path without the suffix, such as "book/06-pjap".
        to_root: the relative address of the site's root, as seen from the page.
        where: the public addresses.
    """
    name = page.rsplit("/", 1)[-1]
    items = [
        f'<a href="{where.colab(page)}">Open in Colab</a>',
        f'<a href="{where.binder(page)}">Open in Binder</a>',
        f'<a href="{name}.ipynb" download>Download notebook</a>',
    ]
    if runs_in_a_browser(addresses.ROOT / f"{page}.md"):
        here = f"{to_root}lite/notebooks/index.html?path={name}.ipynb"
        items = [f'<a href="{here}">Run in your browser</a>', *items]
    else:
        items += ["<span>Your browser alone cannot run this chapter: it needs JAX and MuJoCo.</span>"]
    listed = "".join(f"<li>{item}</li>" for item in items)
    return f'<nav class="launch" aria-label="Run this chapter"><ul>{listed}</ul></nav>'


def _name_the_site(_: Sphinx, config: Config) -> None:
    config.html_baseurl = addresses.read().site


def _add_buttons(app: Sphinx, page: str, _: str, context: dict[str, Any], doctree: Any) -> None:
    if doctree is not None and _notebook(page).exists():
        to_root = context["pathto"]("", 1).rstrip("/") + "/"
        title, end, rest = context["body"].partition("</h1>")
        context["body"] = title + end + buttons(page, to_root, addresses.read()) + rest


def _copy_notebooks(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.format == "html":
        for page in app.env.found_docs:
            if _notebook(page).exists():
                copyfile(_notebook(page), Path(app.outdir) / f"{page}.ipynb")


def _notebook(page: str) -> Path:
    return addresses.ROOT / f"{page}.ipynb"


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.connect("config-inited", _name_the_site)
    app.connect("html-page-context", _add_buttons)
    app.connect("build-finished", _copy_notebooks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
