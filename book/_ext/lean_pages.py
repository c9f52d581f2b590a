"""Last touches to the written pages: what the theme and docutils put there and the book does not need.

- The theme loads 1.6 MB of icon outlines as a script, for custom icons; the book uses only those of the icon font.
- Docutils gives entries of the bibliography a role that ARIA has withdrawn, in a list whose items are no list items.
"""

import re
from pathlib import Path

from sphinx.application import Sphinx

UNNEEDED = re.compile(
    r'\s*<script defer src="[^"]*scripts/fontawesome\.js[^"]*"></script>'
    r'| role="doc-biblioentry"'
    r'| role="list"(?= class="citation-list")'
)


def trim(html: str) -> str:
    """The page without what it does not need."""
    return UNNEEDED.sub("", html)


def trim_site(app: Sphinx, error: Exception | None) -> None:
    """Rewrite every page from which something can be taken."""
    if error is not None or app.builder.format != "html":
        return
    for page in Path(app.outdir).rglob("*.html"):
        html = page.read_text(encoding="utf-8")
        trimmed = trim(html)
        if trimmed != html:
            page.write_text(trimmed, encoding="utf-8")
    (Path(app.outdir) / "_static" / "scripts" / "fontawesome.js").unlink(missing_ok=True)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("build-finished", trim_site)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
