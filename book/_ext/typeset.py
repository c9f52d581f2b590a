"""Typesets the mathematics when the pages are written, so that a reader's browser needs no script to show it.

MathJax runs in V8 (mini-racer), with a small document of its own in place of a browser's. What it returns is what it
would put into the page: glyphs for the eye, which a stylesheet draws, and MathML for screen readers.
"""

import re
from collections.abc import Callable
from functools import cache
from html import unescape
from pathlib import Path

from py_mini_racer import MiniRacer
from sphinx.application import Sphinx
from sphinx.errors import SphinxError

MATHJAX = Path(__file__).parent / "mathjax"
SCRIPTS = ("startup.js", "core.js", "liteDOM.js", "tex.js", "chtml.js", "fonts.js")
STYLESHEET = "mathjax.css"
BEFORE = """
globalThis.MathJax = {
    startup: {typeset: false},
    tex: {packages: {"[-]": ["noundefined", "autoload", "require"]}},
    chtml: {fontURL: "vendor/mathjax/output/chtml/fonts/woff-v2", adaptiveCSS: false},
};"""
AFTER = """
MathJax.startup.getComponents();
MathJax.startup.makeMethods();
function typeset(tex, display) {
    MathJax.texReset();
    const {adaptor} = MathJax.startup;
    const formula = MathJax.tex2chtml(tex, {display});
    adaptor.setAttribute(adaptor.firstChild(formula), "aria-hidden", "true");
    if (display) adaptor.setAttribute(formula, "tabindex", "0");  // it may scroll
    const heard = MathJax.tex2mml(tex, {display}).replace(/\\n */g, "");
    const how = display ? "block" : "inline";
    adaptor.append(formula, adaptor.node("mjx-assistive-mml", {unselectable: "on", display: how}));
    return adaptor.outerHTML(formula).replace("</mjx-assistive-mml>", () => heard + "</mjx-assistive-mml>");
}
function stylesheet() {
    return MathJax.startup.adaptor.textContent(MathJax.chtmlStylesheet());
}"""
# What MathJax does with parts that need a browser: letters as high as those of usual sans-serif fonts, and no place
# for what is said to screen readers.
BROWSER_PARTS = """
mjx-container[jax="CHTML"] { position: relative; font-size: 119%; }
mjx-assistive-mml {
  position: absolute; top: 0; left: 0; clip-path: inset(50%); padding: 1px 0 0 0; border: 0; display: block;
  width: auto; overflow: hidden; user-select: none;
}
mjx-assistive-mml[display="block"] { width: 100%; }
"""
FORMULA = re.compile(
    r'(<(?:span|div) class="[^"]*\bmath notranslate\b[^"]*"[^>]*>\s*(?:<span class="eqno">.*?</a></span>)?)'
    r"(?:\\\(([^<]*)\\\)|\\\[([^<]*)\\\])\s*(?=</)"
)
INLINE_AND_SIGN = re.compile(
    r'(<span class="math notranslate[^"]*">\\\([^<]*\\\)</span>)([.,;:?!)]+|[’\']s\b[.,;:?!)]*)'
)
GLYPH = re.compile(r"mjx-c\.(mjx-c[0-9A-F]+)[^{}]*\{[^{}]*\}\s*")


def typeset(html: str, convert: Callable[[str, bool], str]) -> str:
    r"""The page with its formulas typeset.

    Args:
        html: the page, with formulas as Sphinx writes them, in ``\(...\)`` or ``\[...\]``.
        convert: a formula in LaTeX, and whether it stands on lines of its own, to HTML.

    Raises:
        ValueError: if MathJax does not understand a formula.
    """

    def one(found: re.Match[str]) -> str:
        element, inline, display = found.groups()
        tex = unescape(inline or display)
        formula = convert(tex, inline is None)
        if error := re.search('data-mjx-error="([^"]*)"', formula):
            raise ValueError(f"{unescape(error[1])}: {tex.strip()}")
        return element + formula

    together = INLINE_AND_SIGN.sub(r'<span class="glued">\1\2</span>', html)  # no line begins with a full stop
    return FORMULA.sub(one, together)


def trim_glyphs(css: str, used: set[str]) -> str:
    """MathJax's stylesheet without the rules of glyphs that are not used."""
    return GLYPH.sub(lambda rule: rule[0] if rule[1] in used else "", css)


def typeset_site(app: Sphinx, error: Exception | None) -> None:
    """Typeset the pages that are new, and write the stylesheet for what all pages use."""
    if error is not None or app.builder.format != "html":
        return
    pages = {page: page.read_text(encoding="utf-8") for page in Path(app.outdir).rglob("*.html")}
    new = {page: html for page, html in pages.items() if FORMULA.search(html)}
    if not new:
        return
    with MiniRacer() as engine:
        engine.eval(BEFORE)
        for script in SCRIPTS:
            engine.eval((MATHJAX / script).read_text(encoding="utf-8"))
        engine.eval(AFTER)
        for page, html in new.items():
            try:
                pages[page] = typeset(html, cache(lambda tex, display: engine.call("typeset", tex, display)))
            except ValueError as problem:
                raise SphinxError(f"{page.name}: MathJax does not understand a formula. {problem}") from problem
            page.write_text(pages[page], encoding="utf-8")
        css = engine.call("stylesheet")
    used = {glyph for html in pages.values() for glyph in re.findall(r"\bmjx-c[0-9A-F]+\b", html)}
    (Path(app.outdir) / "_static" / STYLESHEET).write_text(trim_glyphs(css, used) + BROWSER_PARTS, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx, before the pages get their last touches."""
    app.connect("build-finished", typeset_site, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
