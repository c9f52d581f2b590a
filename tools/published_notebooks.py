"""Turn a chapter's notebook into one that any Jupyter can show: MyST's directives and roles become plain Markdown.

What a reader opens in Colab, Binder or JupyterLite, or downloads, is the reference notebook beside the chapter.
`tools/reference_notebooks.py` runs the chapter and calls `publish`, which
- puts a cell in front that fetches the package and the results where they are missing,
- writes glued values, references and citations out as text, and links to the published pages,
- turns admonitions and propositions into quotes, answers into `<details>`, solutions into folded sections,
- puts each figure's caption under the cell that draws it, and leaves the code as it is.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from importlib.metadata import packages_distributions
from typing import Any, NamedTuple

import jupytext
import nbformat
import yaml
from packaging.requirements import Requirement
from pybtex.database import parse_file

from tools import addresses

ROOT = addresses.ROOT
RECORD = "application/papermill.record/text/plain"
"""The kind of output in which `glue` stores a value."""

GLUE_IMPORT = "from myst_nb import glue"
GLUE_OPTIONAL = '''\
try:
    from myst_nb import glue
except ImportError:

    def glue(*_, **__):
        """Collects the numbers that the book's pages quote; a notebook of its own does without."""
'''


def publish(notebook: Any, page: str, values: dict[str, str], where: addresses.Addresses | None = None) -> Any:
    """The notebook in plain Markdown, with a first cell that fetches what is missing.

    Args:
        notebook: the page's cells in MyST Markdown; it is left as it is.
        page: its source's path without the suffix, such as "book/06-pjap".
        values: the text of each glued name, as `glued` finds it.
        where: the addresses to fetch from and to link to; those of pyproject.toml if none are given.

    Raises:
        ValueError: If the page holds a directive or a role that has no plain form here yet.
        KeyError: If it quotes a value, a label or a work that nothing defines.
    """
    where = where or addresses.read()
    published = deepcopy(notebook)
    published.cells = [_code_cell("fetch", first_cell(notebook, where))]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            published.cells += _plain_code(cell, page, values, where)
        else:
            published.cells += _plain_text(cell, page, values, where)
    folded = [cell.id for cell in published.cells if cell.metadata.get("jp-MarkdownHeadingCollapsed")]
    published.metadata["colab"] = {"collapsed_sections": folded}
    return published


def glued(notebook: Any) -> dict[str, str]:
    """The text of each value that the notebook's cells have glued."""
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    records = [output for output in outputs if RECORD in output.get("data", {})]
    return {output.metadata["scrapbook"]["name"]: str(ast.literal_eval(output.data[RECORD])) for output in records}


# The first cell


def first_cell(notebook: Any, where: addresses.Addresses) -> str:
    """The source of the cell that fetches the package, and the results if the notebook reads any."""
    source = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    lines = ["# Fetches what this chapter needs where it is missing, on Colab for example; elsewhere it does nothing."]
    lines += ["from importlib.util import find_spec"]
    if results_read(source):
        lines += ["from pathlib import Path"]
        lines += ["", 'if not Path("results").is_dir():']
        lines += [f"    !git clone --quiet --depth 1 {where.repository}"]
        lines += [f"    %cd -q {where.name}/book"]
    extra, others = requirements(source)
    wanted = " ".join([f'"pjap[{extra}] @ git+{where.repository}"', *others])
    lines += ["", 'if find_spec("pjap") is None:', f"    %pip install --quiet {wanted}"]
    return "\n".join(lines)


def results_read(source: str) -> list[str]:
    """The paths under `results/` that the code names."""
    return sorted(set(re.findall(r"\"(results(?:/[\w.-]+)*)\"", source)))


def requirements(source: str) -> tuple[str, list[str]]:
    """The package's extra that the code needs, and the distributions that it imports, or films with, beyond it."""
    imported = _imported(source)
    extra = "mamujoco" if any(name.startswith("pjap.mamujoco") for name in imported) else "figures"
    given = {"pjap", "myst-nb", "ipython", *_distributions_of(extra)}
    modules = {name.split(".")[0] for name in imported} - set(sys.stdlib_module_names)
    distributions = {_distribution(module) for module in modules}
    if "figures.video(" in source:
        distributions.add("imageio-ffmpeg")  # which `video` imports itself
    return extra, sorted(distributions - given)


def _imported(source: str) -> set[str]:
    """The dotted names of the modules that Python code imports."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module}
    return names


@cache
def _distributions_of(extra: str) -> frozenset[str]:
    """The distributions that `pjap[extra]` asks for itself, by their names on the package index."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [Requirement(line) for line in project["dependencies"] + project["optional-dependencies"][extra]]
    inner = [name for requirement in asked if requirement.name == "pjap" for name in requirement.extras]
    return frozenset({requirement.name for requirement in asked}.union(*map(_distributions_of, inner)))


@cache
def _distribution(module: str) -> str:
    """The distribution that holds a module."""
    if module == "pjap":
        return module
    return packages_distributions()[module][0].lower().replace("_", "-")


# Code cells


def _code_cell(name: str, source: str) -> Any:
    return nbformat.v4.new_code_cell(source, id=name)  # type: ignore[no-untyped-call]


def _text_cell(name: str, source: str) -> Any:
    return nbformat.v4.new_markdown_cell(source, id=name)  # type: ignore[no-untyped-call]


def _plain_code(cell: Any, page: str, values: dict[str, str], where: addresses.Addresses) -> list[Any]:
    """The cell and, under it, its figure's caption."""
    plain = deepcopy(cell)
    plain.source = cell.source.replace(GLUE_IMPORT, GLUE_OPTIONAL)
    figure = plain.metadata.pop("mystnb", {}).get("figure")
    if not figure:
        return [plain]
    caption = " ".join(figure["caption"].split())
    text = f"**{labels()[figure['name']].text}.** {_roles(caption, page, values, where)}"
    return [plain, _text_cell(f"{cell.id}-caption", text)]


# Text cells


def _plain_text(cell: Any, page: str, values: dict[str, str], where: addresses.Addresses) -> list[Any]:
    """The cell in plain Markdown: several cells where exercises and solutions begin and end."""
    text = re.sub(r"(?m)^\([\w-]+\)=\n", "", cell.source)
    on_page = f"*An interactive figure stands here on [the book's page]({where.page(page)}).*"
    text = re.sub(r'(?m)^<div class="pjap-figure".*</div>$', on_page, text)
    text = re.sub(r"(?m)^\$\$ \(([\w-]+)\)$", lambda found: rf"\tag{{{labels()[found[1]].number}}}" + "\n$$", text)
    pieces: list[tuple[list[str | Block], bool]] = [([], False)]
    for block in _blocks(text.splitlines()):
        if isinstance(block, str):
            pieces[-1][0].append(block)
        elif block.name == "exercise-start":
            name = labels()[block.options["label"]].text
            pieces.append(([f"### {name}: {block.title}", "", *block.body], False))
        elif block.name == "solution-start":
            pieces.append(([f"#### Solution of {labels()[block.title].text}", "", *block.body], True))
        elif block.name in ("exercise-end", "solution-end"):
            pieces.append(([], False))
        else:
            pieces[-1][0].append(block)
    cells: list[Any] = []
    for blocks, folded in pieces:
        plain = _roles("\n".join(_plain_lines(blocks)), page, values, where).strip()
        if plain:
            cells.append(_text_cell(cell.id if not cells else f"{cell.id}-{len(cells)}", plain))
            if folded:
                cells[-1].metadata["jp-MarkdownHeadingCollapsed"] = True
                cells[-1].metadata["id"] = cells[-1].id  # by which Colab knows what is folded
    return cells


class Block(NamedTuple):
    """A MyST directive: its name, its argument, its options, and its lines."""

    name: str
    title: str
    options: dict[str, str]
    body: list[str]


def _blocks(lines: list[str]) -> list[str | Block]:
    """The lines, with each directive and all that it holds as one block."""
    found: list[str | Block] = []
    rest = iter(lines)
    for line in rest:
        opening = re.fullmatch(r"(:{3,}|`{3,})\{([\w:-]+)\} *(.*)", line)
        if not opening:
            found.append(line)
            continue
        fence, name, title = opening.groups()
        inner = []
        for held in rest:
            if held == fence:
                break
            inner.append(held)
        else:
            raise ValueError(f"the directive {line!r} is never closed, expected a line {fence!r}")
        options = {}
        while inner and (option := re.fullmatch(r":([\w-]+): *(.*)", inner[0])):
            options[option[1]] = option[2]
            inner.pop(0)
        found.append(Block(name, title, options, inner))
    return found


def _plain_lines(blocks: list[str | Block]) -> list[str]:
    """The blocks as lines, with an empty one after each directive: else the next line would go on with its quote."""
    lines: list[str] = []
    for before, block in zip(["", *blocks], blocks, strict=False):
        if isinstance(block, Block):
            lines += _plain_block(block)
        else:
            lines += ["", block] if isinstance(before, Block) and block else [block]
    return lines


def _plain_block(block: Block) -> list[str]:
    """A directive in plain Markdown, the directives inside it first."""
    body = _plain_lines(_blocks(block.body))
    if block.name == "admonition" and "dropdown" in block.options.get("class", ""):
        return ["<details>", f"<summary>{block.title}</summary>", "", *body, "", "</details>"]
    if block.name == "admonition":
        return _quote([f"**{block.title}**", "", *body])
    if block.name == "prf:proof":
        return ["*Proof.*", *body, "∎"]
    if block.name.startswith("prf:"):
        title = f" ({block.title})" if block.title else ""
        return _quote([f"**{labels()[block.options['label']].text}{title}.**", "", *body])
    raise ValueError(
        f"the directive {block.name!r} has no plain form for notebooks: say in tools/published_notebooks.py "
        "(_plain_block) what a reader without MyST should see"
    )


def _quote(lines: list[str]) -> list[str]:
    """The lines as a quote. Displayed mathematics goes on one line: Jupyter would read the quote's marks into it."""
    text = re.sub(r"(?ms)^\$\$$.*?^\$\$$", lambda found: " ".join(found[0].split()), "\n".join(lines))
    return [f"> {line}".rstrip() for line in text.splitlines()]


# Roles


def _roles(text: str, page: str, values: dict[str, str], where: addresses.Addresses) -> str:
    """The text with each role written out."""

    def plain(found: re.Match[str]) -> str:
        role, content = found.groups()
        if role == "glue:text":
            return values[content]
        if role == "cite:t":
            return ", ".join(_citation(key, "{} ({})") for key in content.split(","))
        if role == "cite:p":
            return "(" + "; ".join(_citation(key, "{}, {}") for key in content.split(",")) + ")"
        if role in ("numref", "ref", "eq", "prf:ref"):
            return _reference(content, page, where)
        raise ValueError(
            f"the role {{{role}}} has no plain form for notebooks: say in tools/published_notebooks.py (_roles) "
            "what a reader without MyST should see"
        )

    return re.sub(r"\{([a-z:-]+)\}`([^`]+)`", plain, text)


def _reference(content: str, page: str, where: addresses.Addresses) -> str:
    """What a reference says; a link to the published page where its target is on another one."""
    shown, key = re.fullmatch(r"(?:(.*?)\s*<)?([\w-]+)>?", content, flags=re.DOTALL).groups()  # type: ignore[union-attr]
    label = labels()[key]
    text = (shown or label.text).replace("{number}", label.number).replace("{name}", label.text)
    if label.page == page:
        return text
    anchor = "" if key.startswith("ch-") else f"#{label.anchor}"
    return f"[{text}]({where.page(label.page)}{anchor})"


@cache
def _bibliography() -> Any:
    return parse_file(str(ROOT / "book" / "references.bib"))


def _citation(key: str, form: str) -> str:
    """Author and year of a work, as a link where it is on arXiv."""
    entry = _bibliography().entries[key]
    people = entry.persons.get("author") or entry.persons["editor"]
    surnames = [" ".join(person.prelast_names + person.last_names).strip("{}") for person in people]
    many = len(surnames) > 2 or surnames[-1] == "others"
    authors = f"{surnames[0]} et al." if many else " and ".join(surnames)
    text = form.format(authors, entry.fields["year"])
    eprint = entry.fields.get("eprint")
    return f"[{text}](https://arxiv.org/abs/{eprint})" if eprint else text


# Labels


class Label(NamedTuple):
    """What a reference to a label says, such as "Fig. 4.2", the number alone, and where it leads."""

    text: str
    number: str
    page: str
    anchor: str


@cache
def labels() -> dict[str, Label]:
    """Every label of the book, numbered as Sphinx numbers them: chapter, then place among its kind."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
    found = _labels_of(toc["root"], "")
    chapters = 0
    for part in toc["parts"]:
        for chapter in part["chapters"]:
            chapters += bool(part.get("numbered"))
            found |= _labels_of(chapter["file"], str(chapters) if part.get("numbered") else "")
    return found


def _labels_of(page: str, chapter: str) -> dict[str, Label]:
    """The labels of one page, whose number is empty if it has none."""
    counts: dict[str, int] = {}
    found = {}

    def count(kind: str, key: str, name: str, anchor: str) -> None:
        counts[kind] = counts.get(kind, 0) + 1
        number = f"{chapter}.{counts[kind]}".lstrip(".")
        found[key] = Label(f"{name} {number}", number, page, anchor)

    kinds: dict[str, Callable[[re.Match[str]], None]] = {
        r"^\(([\w-]+)\)=\n#+ (.*)": lambda m: found.update({m[1]: Label(m[2], chapter, page, m[1])}),
        r"^\$\$ \(([\w-]+)\)$": lambda m: count("equation", m[1], "Eq.", f"equation-{m[1]}"),
        r"^:::+\{prf:(?!proof)(\w+)\}.*\n:label: (\S+)": lambda m: count("prf", m[2], m[1].capitalize(), m[2]),
        r"^:::+\{exercise-start\}.*\n:label: (\S+)": lambda m: count("exercise", m[1], "Exercise", m[1]),
    }
    for cell in jupytext.read(ROOT / f"{page}.md", fmt="md:myst").cells:  # some pages have no header that says so
        figure = cell.metadata.get("mystnb", {}).get("figure")
        if figure:
            count("figure", figure["name"], "Fig.", figure["name"])
        if cell.cell_type == "markdown":
            for pattern, take in kinds.items():
                for match in re.finditer(pattern, cell.source, flags=re.MULTILINE):
                    take(match)
    return found
