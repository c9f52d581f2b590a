"""Links between the chapters and the API reference, both ways.

- In a docstring, "chapter 6, eq-ess" becomes a link to the chapter and to the equation or proposition of that label;
  a function's name in single backticks becomes a link to that function.
- On a page, the name of a public function or class set as code, such as `brud_destination`, becomes a link to its
  documentation. Names that are also everyday words, such as `uniform`, count only with
  their module: `datasets.uniform`.
"""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, get_origin

import yaml
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

import pjap

ROOT = Path(__file__).parent.parent.parent
CHAPTER = re.compile(r"\bchapter (\d+)(?:,\s+((?:eq|def|prop)-[\w-]+))?")
NAME = re.compile(r"(?<![`:])`([A-Za-z_][\w.]*)`(?!`)")


@cache
def chapters() -> dict[str, str]:
    """The label of each numbered chapter."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    files = [chapter["file"] for part in toc["parts"] if part.get("numbered") for chapter in part["chapters"]]
    labels = [re.search(r"^\((ch-[\w-]+)\)=", (ROOT / f"{file}.md").read_text(), re.MULTILINE) for file in files]
    return {str(number): label[1] for number, label in enumerate(labels, start=1) if label}


@cache
def public_names() -> dict[str, list[str]]:
    """Where each name leads that a page or a docstring may use: `module.name`, and `name` alone."""
    found: dict[str, list[str]] = {}
    for module_info in pkgutil.walk_packages(pjap.__path__, "pjap."):
        module = importlib.import_module(module_info.name)
        if module_info.name == "pjap.cli" or module_info.name.split(".")[-1].startswith("_"):
            continue
        for name, item in vars(module).items():
            if name[0] != "_" and callable(item) and getattr(item, "__module__", "") == module_info.name:
                for called in (name, f"{module_info.name.split('.')[-1]}.{name}"):
                    found.setdefault(called, []).append(f"{module_info.name}.{name}")
    return found


def link_docstring(app: Sphinx, what: str, name: str, item: Any, options: Any, lines: list[str]) -> None:
    """Turn chapters and names in a docstring into roles."""
    module = inspect.getmodule(item)

    def to_chapter(found: re.Match[str]) -> str:
        number, label = found.groups()
        link = f":ref:`chapter {number} <{chapters()[number]}>`"
        if label is None:
            return link
        return f"{link}, :eq:`{label}`" if label.startswith("eq-") else f"{link}, :prf:ref:`{label}`"

    def to_function(found: re.Match[str]) -> str:
        candidates = public_names().get(found[1], [])
        here = [target for target in candidates if module and target == f"{module.__name__}.{found[1]}"]
        target = (here or candidates)[0] if here or len(candidates) == 1 else None
        return f":py:obj:`{found[1]} <{target}>`" if target else f"``{found[1]}``"

    text = NAME.sub(to_function, CHAPTER.sub(to_chapter, "\n".join(lines)))
    # Napoleon takes what stands before a colon on the first line of these for a type.
    text = re.sub(r"^(Returns:\n\s+)", r"\1\\ \n    ", text, flags=re.MULTILINE)
    lines[:] = ["\\ ", *text.split("\n")] if what in ("attribute", "data", "property") else text.split("\n")


def link_page(app: Sphinx, doctree: nodes.document) -> None:
    """Turn names of functions on a page into links."""
    if app.env.docname.startswith("book/api"):
        return
    for literal in list(doctree.findall(nodes.literal)):
        text = literal.astext().removesuffix("()")
        targets = public_names().get(text, [])
        plain_word = not ("_" in text or "." in text or re.search("[a-z][A-Z]", text))
        if len(targets) != 1 or plain_word or isinstance(literal.parent, (nodes.reference, addnodes.pending_xref)):
            continue
        link = addnodes.pending_xref(
            "", refdomain="py", reftype="obj", reftarget=targets[0], refexplicit=True, refwarn=True
        )
        literal.replace_self(link)
        link += literal


def leave_out(app: Sphinx, what: str, name: str, item: Any, skip: bool, options: Any) -> bool | None:
    """Leave out the fields of named tuples, which the class's docstring lists, and shorthands for array types."""
    shorthand = get_origin(item) not in (None, Callable)
    return True if shorthand or type(item).__name__ == "_tuplegetter" else None


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect to Sphinx."""
    # Before napoleon, which takes sections apart.
    app.connect("autodoc-process-docstring", link_docstring, priority=100)
    app.connect("autodoc-skip-member", leave_out)
    app.connect("doctree-read", link_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
