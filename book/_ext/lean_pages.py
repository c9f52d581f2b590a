"""Last touches to the written pages: what the theme and docutils put there and the book does not need.

- The theme loads 1.6 MB of icon outlines as a script, for custom icons; the book uses only those of the icon font.
- Its stylesheet names every one of those icons, a third of its weight; those that no page or script has are taken out.
- Jupyter Book adds Thebe's scripts twice even where Thebe is off; the second makes the browser report an error.
- Scripts in the head hold up the first paint: they are deferred, all but the options that inline scripts write to.
- The theme reports an error unless its colour mode has a default.
- Docutils gives entries of the bibliography a role that ARIA has withdrawn, in a list whose items are no list items.
"""

import re
from pathlib import Path

from sphinx.application import Sphinx

UNNEEDED = re.compile(
    r'\s*<script defer src="[^"]*scripts/fontawesome\.js[^"]*"></script>'
    r"|\s*<script>const THEBE_JS_URL[^<]*</script>"
    r'|\s*<script async="async" src="[^"]*sphinx-thebe\.js[^"]*"></script>'
    r'|\s*<link rel="stylesheet"[^>]*sphinx-thebe\.css[^>]*>'
    r'|\s*<script type="text/x-thebe-config">.*?</script>'
    r"|\s*<script>kernelName = [^<]*</script>"
    r'| role="doc-biblioentry"'
    r'| role="list"(?= class="citation-list")',
    re.DOTALL,
)
BLOCKING = re.compile(r'<script (?=(?:data-[\w-]+="[^"]*" )?src="(?![^"]*documentation_options\.js)[^"]*"></script>)')


ICON = re.compile(r'(?:\.fa-[\w-]+::?before,?)+\{content:"[^"]*"\}')


def trim_icons(css: str, used: set[str]) -> str:
    """The stylesheet without the rules of icons that are not used."""
    return ICON.sub(lambda rule: rule[0] if used & set(re.findall(r"fa-[\w-]+", rule[0])) else "", css)


def trim(html: str) -> str:
    """The page without what it does not need, and with its scripts deferred."""
    html = UNNEEDED.sub("", html).replace(
        'localStorage.getItem("mode") || ""', 'localStorage.getItem("mode") || "auto"'
    )
    searches = 'id="search-results"' in html  # that page's own script needs the others at once
    return html if searches else BLOCKING.sub("<script defer ", html)


def trim_site(app: Sphinx, error: Exception | None) -> None:
    """Rewrite every page from which something can be taken."""
    if error is not None or app.builder.format != "html":
        return
    icons: set[str] = set()
    for page in Path(app.outdir).rglob("*.html"):
        html = page.read_text(encoding="utf-8")
        icons |= set(re.findall(r"\bfa-[\w-]+", html))
        trimmed = trim(html)
        if trimmed != html:
            page.write_text(trimmed, encoding="utf-8")
    static = Path(app.outdir) / "_static"
    (static / "scripts" / "fontawesome.js").unlink(missing_ok=True)
    # Scripts add icons, too: the copy button, the figures, full screen.
    for script in static.rglob("*.js"):
        icons |= set(re.findall(r"\bfa-[\w-]+", script.read_text(encoding="utf-8", errors="ignore")))
    theme = static / "styles" / "pydata-sphinx-theme.css"
    theme.write_text(trim_icons(theme.read_text(encoding="utf-8"), icons), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("build-finished", trim_site)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
