"""Last touches to the written pages: what the theme and docutils put there and the book does not need.

- The theme loads 1.6 MB of icon outlines as a script, for custom icons; the book uses only those of the icon font.
- Its stylesheet names every one of those icons, a third of its weight; those that no page or script has are taken out.
- Jupyter Book adds Thebe's scripts twice even where Thebe is off; the second makes the browser report an error.
- The book's mathematics is typeset already, and it uses nothing of sphinx-design: their scripts and styles go.
- A browser shows nothing before it has every stylesheet: they become one file.
- Films and posters in a cell's output are text in the page; they become files, which are fetched when asked for.
- Pictures are fetched as a reader comes near, and their place is kept; drawings are left with 256 colours.
- The index that only the search page asks is loaded there alone, and no script gets in before the stylesheet.
- The icon font has 2,000 icons; it is left with those that are used.
- Scripts in the head hold up the first paint: they are deferred, all but the options that inline scripts write to,
  which become an inline script themselves.
- The theme reports an error unless its colour mode has a default.
- It asks of all code whether it overflows, and so has every section laid out at once: each is asked as it comes near,
  and can be reached by the keyboard until then.
- The theme's menus answer to the first of two buttons each, and the first stands in the header that is not shown.
- Docutils gives entries of the bibliography a role that ARIA has withdrawn, in a list whose items are no list items.
"""

import base64
import hashlib
import logging
import os
import re
from fnmatch import fnmatch
from pathlib import Path

from fontTools.subset import Subsetter
from fontTools.ttLib import TTFont
from PIL import Image, ImageChops, ImageStat
from sphinx.application import Sphinx

UNNEEDED = re.compile(
    r'\s*<script defer src="[^"]*scripts/fontawesome\.js[^"]*"></script>'
    r"|\s*<script>const THEBE_JS_URL[^<]*</script>"
    r'|\s*<script async="async" src="[^"]*sphinx-thebe\.js[^"]*"></script>'
    r'|\s*<link rel="stylesheet"[^>]*sphinx-thebe\.css[^>]*>'
    r'|\s*<script type="text/x-thebe-config">.*?</script>'
    r"|\s*<script>kernelName = [^<]*</script>"
    r"|\s*<script>window\.MathJax = [^<]*</script>"
    r"|\s*<script [^>]*tex-mml-chtml\.js[^>]*></script>"
    r"|\s*<script [^>]*design-tabs\.js[^>]*></script>"
    r'|\s*<link rel="stylesheet"[^>]*sphinx-design[^>]*>'
    r'|\s*<link rel="preload" as="script"[^>]*>'
    r'|\s*<button class="pst-navbar-icon sidebar-toggle (?:primary|secondary)-toggle".*?</button>'
    r'| role="doc-biblioentry"'
    r'| role="list"(?= class="citation-list")',
    re.DOTALL,
)
SEARCH = re.compile(r"\s*<script [^>]*(?:searchtools|language_data|searchindex)\.js[^>]*></script>")
OPTIONS = re.compile(r'<script src="[^"]*documentation_options\.js[^"]*"></script>')
BLOCKING = re.compile(r'<script (?=(?:data-[\w-]+="[^"]*" )?src="[^"]*"></script>)')
STYLES = (
    "basic.css",
    "styles/theme.css",
    "styles/pydata-sphinx-theme.css",
    "pygments.css",
    "styles/sphinx-book-theme.css",
    "togglebutton.css",
    "copybutton.css",
    "mystnb.*.css",
    "proof.css",
    "exercise.css",
    "mathjax.css",
    "book.css",
    "figures.css",
)
"""The stylesheets of the bundle, under `_static`, in the order of their links."""
BUNDLE = "site.css"
STYLESHEET = re.compile(r'\s*<link (?=[^>]*stylesheet)[^>]*href="([^"]*_static/)([^"?]*)[^>]*>')
HARDLY_SEEN = 0.5
"""Mean change of a colour, of 255, by which a drawing may differ from what was drawn."""
SHOWN_SIZE = re.compile(r' style="width: (?P<width>\d+)px; height: (?P<height>\d+)px;"')
EMBEDDED = re.compile(r'(?P<attribute>src|poster)="data:(?:image|video)/(?P<kind>\w+);base64,(?P<data>[^"]*)"')
PLACE = "e.scrollWidth>e.clientWidth||e.scrollHeight>e.clientHeight?0:-1"
ASKED_AT_ONCE = f"e.tabIndex={PLACE}"
ASKED_IN_VIEW = "e.tabIndex=0,nearby.unobserve(e),nearby.observe(e)"
NEARBY = f"""const nearby=new IntersectionObserver(
  (seen)=>seen.filter((each)=>each.isIntersecting)
    .map(({{target:e}})=>[e,{PLACE}])
    .forEach(([e,place])=>{{e.tabIndex=place}}),
  {{rootMargin:"100%"}});
"""
"""Takes out of the keyboard's reach what does not overflow, within a screen of what is seen: first asks all, then
writes."""
ICON = re.compile(r'(?:\.fa-[\w-]+::?before,?)+\{content:"(?P<content>[^"]*)"\}')


def trim_icons(css: str, used: set[str]) -> str:
    """The stylesheet without the rules of icons that are not used."""
    return ICON.sub(lambda rule: rule[0] if used & set(re.findall(r"fa-[\w-]+", rule[0])) else "", css)


def trim(html: str, options: str) -> str:
    """The page without what it does not need, with its scripts deferred and the script of `options` in it."""
    html = UNNEEDED.sub("", html).replace(
        'localStorage.getItem("mode") || ""', 'localStorage.getItem("mode") || "auto"'
    )
    if 'id="search-results"' in html:  # that page's own script needs the others at once
        return html
    html = OPTIONS.sub(lambda _: f"<script>{options}</script>", SEARCH.sub("", html))
    return BLOCKING.sub("<script defer ", html)


def bundle_styles(html: str) -> str:
    """The page with one link in place of those to the stylesheets of the bundle."""
    linked = [link for link in STYLESHEET.finditer(html) if any(fnmatch(link[2], name) for name in STYLES)]
    for link in linked:
        html = html.replace(link[0], "")
    if not linked:
        return html
    return html.replace("</title>", f'</title>\n    <link rel="stylesheet" href="{linked[0][1]}{BUNDLE}" />', 1)


def write_bundle(static: Path, icons: set[str]) -> None:
    """Write the stylesheets of the bundle as one file."""
    sheets = [sheet for name in STYLES for sheet in static.glob(name)]
    css = "\n".join(sheet.read_text(encoding="utf-8") for sheet in sheets).replace('@import "../basic.css";', "")
    # All of them name files as seen from _static itself, but for the theme's own, which are a folder deeper.
    css = css.replace("url(../", "url(").replace('.woff2) format("woff2")', '.woff) format("woff")')
    (static / BUNDLE).write_text(trim_icons(css, icons), encoding="utf-8")


def trim_icon_font(static: Path, icons: set[str]) -> None:
    """Write the icon font with the icons that are used, as the files that the bundle names."""
    theme = (static / "styles" / "pydata-sphinx-theme.css").read_text(encoding="utf-8")
    rules = ICON.finditer(trim_icons(theme, icons))
    characters = {re.sub(r"\\([0-9a-f]+)", lambda code: chr(int(code[1], 16)), rule["content"]) for rule in rules}
    folder = static / "vendor" / "fontawesome" / "webfonts"
    for style in ("solid-900", "regular-400", "brands-400"):
        font = TTFont(folder / f"fa-{style}.ttf")
        subsetter = Subsetter()
        subsetter.populate(text="".join(characters))
        subsetter.subset(font)
        font.flavor = "woff"
        font.save(folder / f"fa-{style}.woff")


def ask_in_view(script: Path) -> None:
    """Rewrite the theme's script so that it measures code where a reader is, not everywhere.

    Raises:
        ValueError: if the script is not the one that this was written for.
    """
    text = script.read_text(encoding="utf-8")
    if ASKED_IN_VIEW in text:
        return
    if ASKED_AT_ONCE not in text:
        raise ValueError(f"{script} no longer measures code by {ASKED_AT_ONCE!r}: mend ask_in_view in {__file__}.")
    script.write_text(NEARBY + text.replace(ASKED_AT_ONCE, ASKED_IN_VIEW), encoding="utf-8")


def unpack_films(html: str, page: Path, images: Path) -> str:
    """The page with the films and posters that stand in it as data written to files of their own."""

    def unpack(found: re.Match[str]) -> str:
        content = base64.b64decode(found["data"])
        name = f"{hashlib.sha256(content).hexdigest()[:16]}.{found['kind']}"
        images.mkdir(exist_ok=True)
        (images / name).write_bytes(content)
        return f'{found["attribute"]}="{os.path.relpath(images / name, page.parent)}"'

    def film(tag: re.Match[str]) -> str:
        return EMBEDDED.sub(unpack, tag[0]).replace('preload="metadata"', 'preload="none"')

    return re.sub("<video [^>]*>", film, html)


def lighten(file: Path) -> None:
    """Rewrite a drawing with 256 colours, a third of its bytes. A photograph, on which that would be seen, stays."""
    with Image.open(file) as picture:
        if picture.mode != "RGBA" or picture.getchannel("A").getextrema() != (255, 255):
            return
        drawing = picture.convert("RGB")
    fewer = drawing.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    if max(ImageStat.Stat(ImageChops.difference(drawing, fewer.convert("RGB"))).mean) < HARDLY_SEEN:
        fewer.save(file)


def defer_images(html: str, page: Path) -> str:
    """The page with its pictures fetched as they come near, in a place that is kept for them.

    A notebook's picture says in its style how wide and high it is shown, which is half of its pixels.
    """

    def one(tag: re.Match[str]) -> str:
        file = page.parent / tag["file"]
        if " width=" in tag[0] or " loading=" in tag[0] or not file.exists():
            return tag[0]
        with Image.open(file) as picture:
            width, height = picture.size
        if shown := SHOWN_SIZE.search(tag[0]):
            width, height = int(shown["width"]), int(shown["height"])
        return f'<img loading="lazy" width="{width}" height="{height}"{SHOWN_SIZE.sub("", tag[0])[4:]}'

    return re.sub(r'<img [^>]*src="(?P<file>[^"]*_images/[^"]*\.png)"[^>]*>', one, html)


def trim_site(app: Sphinx, error: Exception | None) -> None:
    """Rewrite every page from which something can be taken."""
    if error is not None or app.builder.format != "html":
        return
    icons: set[str] = set()
    static = Path(app.outdir) / "_static"
    options = (static / "documentation_options.js").read_text(encoding="utf-8")
    for page in Path(app.outdir).rglob("*.html"):
        html = page.read_text(encoding="utf-8")
        icons |= set(re.findall(r"\bfa-[\w-]+", html))
        trimmed = unpack_films(bundle_styles(trim(html, options)), page, Path(app.outdir) / "_images")
        trimmed = defer_images(trimmed, page)
        if trimmed != html:
            page.write_text(trimmed, encoding="utf-8")
    for picture in (Path(app.outdir) / "_images").glob("*.png"):
        lighten(picture)
    (static / "scripts" / "fontawesome.js").unlink(missing_ok=True)
    # Scripts add icons, too: the copy button, the figures, full screen.
    for script in static.rglob("*.js"):
        icons |= set(re.findall(r"\bfa-[\w-]+", script.read_text(encoding="utf-8", errors="ignore")))
    write_bundle(static, icons)
    trim_icon_font(static, icons)
    ask_in_view(static / "scripts" / "pydata-sphinx-theme.js")


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx, after the theme, which writes the colours of code when the build has finished."""
    logging.getLogger("fontTools").setLevel(logging.WARNING)  # it tells of every table
    app.connect("build-finished", trim_site, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
