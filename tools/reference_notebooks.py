"""Run the chapters and write the notebooks beside them: those that readers open, and that the tests re-run and compare.

    python -m tools.reference_notebooks                 all chapters
    python -m tools.reference_notebooks 04 06           those whose names start so

A reference notebook is a chapter's own cells with their text outputs, in plain Markdown (`published_notebooks`);
images and films are stripped. It is generated, never edited: change the chapter and run this again.
"""

import sys
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import yaml
from nbclient import NotebookClient
from tqdm import tqdm

from pjap.files import write_atomically
from tools.published_notebooks import glued, publish

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "book"
"""Beside the chapters, so that a cell finds the results it reads whether a reader, a build or a test runs it."""

COMPARED = "nbval-check-output"
"""The tag of a cell whose output is compared."""


def contents() -> dict[str, str]:
    """The pages of the table of contents in order, each with its part's caption; the landing page's is empty."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    listed = {chapter["file"]: part["caption"] for part in toc["parts"] for chapter in part["chapters"]}
    return {toc["root"]: "", **listed}


def chapters() -> list[Path]:
    """The pages of the table of contents that hold code cells, in order."""
    pages = [ROOT / f"{name}.md" for name in contents()]
    return [page for page in pages if "{code-cell}" in page.read_text()]


def read(chapter: Path) -> Any:
    """The chapter as a notebook without outputs; the cells' ids are their places, so that nothing is random."""
    notebook = jupytext.read(chapter)
    for place, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{place}"
    return notebook


def execute(notebook: Any) -> Any:
    """The notebook with the text outputs of its cells.

    Raises:
        ValueError: If a cell to be compared shows an image or a film: those differ from machine to machine.
    """
    NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(ROOT / "book")}}).execute()
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        cell.metadata.pop("execution", None)
        cell.outputs = _merge_streams(cell.outputs)
        whole = len(cell.outputs)
        cell.outputs = [output for output in cell.outputs if not _is_picture(output)]
        if len(cell.outputs) < whole and COMPARED in cell.metadata.get("tags", []):
            raise ValueError(f"a cell with the tag {COMPARED} shows a picture, expected text alone:\n{cell.source}")
    notebook.metadata.pop("jupytext", None)
    notebook.metadata["language_info"] = {"name": "python"}
    return notebook


def _merge_streams(outputs: list[Any]) -> list[Any]:
    """One output for what a cell printed, which arrives in as many pieces as the machine's load makes of it."""
    merged: list[Any] = []
    for output in outputs:
        last = merged[-1] if merged else {}
        if output["output_type"] == "stream" and last.get("name") == output["name"]:
            last["text"] += output["text"]
        else:
            merged.append(output)
    return merged


def _is_picture(output: Any) -> bool:
    kinds = output.get("data", {})
    return any(kind.startswith("image/") for kind in kinds) or "<video" in kinds.get("text/html", "")


def write(notebook: Any, target: Path) -> None:
    """Write the whole notebook or nothing."""
    text = nbformat.writes(notebook, version=4) + "\n"  # type: ignore[no-untyped-call]
    write_atomically(target, text.encode())


def main(prefixes: list[str]) -> None:
    """Write the reference notebooks of the chapters whose names start with one of the prefixes."""
    wanted = [page for page in chapters() if not prefixes or page.name.startswith(tuple(prefixes))]
    for page in tqdm(wanted, desc="reference notebooks", unit="chapter"):
        executed = execute(read(page))
        write(publish(executed, f"book/{page.stem}", glued(executed)), NOTEBOOKS / f"{page.stem}.ipynb")
    if not prefixes:
        kept = {page.stem for page in wanted}
        for notebook in NOTEBOOKS.glob("*.ipynb"):
            if notebook.stem not in kept:
                notebook.unlink()


if __name__ == "__main__":
    main(sys.argv[1:])
