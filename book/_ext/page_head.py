"""What search engines and link previews read: a description and Open Graph tags in each page's head, and a sitemap.

Addresses appear in them only where the site has one (Sphinx's `html_baseurl`, which also makes the canonical links).
"""

import re
from html import escape, unescape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

LONGEST = 160
"""Characters of a description: what search engines show."""


def describe(doctree: nodes.document) -> str:
    """The beginning of the first running text without mathematics, in whole words."""
    for paragraph in doctree.findall(nodes.paragraph):
        running = isinstance(paragraph.parent, nodes.section)
        if running and not any(paragraph.findall(nodes.math)):
            text = " ".join(paragraph.astext().split())
            return text if len(text) <= LONGEST else text[:LONGEST].rsplit(" ", 1)[0] + " ..."
    return ""


def add_tags(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None) -> None:
    """Put the tags into the page's head."""
    about = (describe(doctree) if doctree else "") or app.config.html_title
    title = unescape(re.sub("<[^>]+>", "", context.get("title", "")))
    tags = {"og:title": title, "og:description": about, "og:type": "article", "og:site_name": app.config.html_title}
    base = app.config.html_baseurl.rstrip("/")
    if base:
        tags["og:url"] = f"{base}/{page}.html"
        picture = next(iter(doctree.findall(nodes.image)), None) if doctree else None
        images: dict[str, str] = app.builder.images  # type: ignore[attr-defined, unused-ignore]
        if picture is not None and picture["uri"] in images:
            tags["og:image"] = f"{base}/_images/{images[picture['uri']]}"
            tags["og:image:alt"] = str(picture.get("alt", title))
    lines = [f'<meta name="description" content="{escape(about)}" />']
    lines += [f'<meta property="{name}" content="{escape(value)}" />' for name, value in tags.items()]
    context["metatags"] = context.get("metatags", "") + "\n    ".join(["", *lines])


def write_sitemap(app: Sphinx, error: Exception | None) -> None:
    """List the pages for search engines, where the site has an address."""
    base = app.config.html_baseurl.rstrip("/")
    if error is not None or app.builder.format != "html" or not base:
        return
    places = "".join(f"<url><loc>{escape(f'{base}/{page}.html')}</loc></url>\n" for page in sorted(app.env.found_docs))
    text = f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{places}</urlset>\n'
    (Path(app.outdir) / "sitemap.xml").write_text('<?xml version="1.0" encoding="UTF-8"?>\n' + text, encoding="utf-8")
    (Path(app.outdir) / "robots.txt").write_text(f"User-agent: *\nAllow: /\nSitemap: {base}/sitemap.xml\n")


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    app.connect("html-page-context", add_tags)
    app.connect("build-finished", write_sitemap)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
