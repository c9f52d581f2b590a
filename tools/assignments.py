"""Make each assignment's student notebook, autograder archive and solution from its one source.

    python tools/assignments.py              all of book/assignments/NN-*.md
    python tools/assignments.py 01 03        those whose names start so

Into `_build/assignments/NAME/`: `student/NAME.ipynb` is for students; `autograder.zip` and `solution.ipynb` are not.
The solution is graded at once, and must get full marks.
"""

import json
import shutil
import sys
import tempfile
import warnings
import zipfile
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import yaml
from otter import logging as otter_logging
from otter.assign import main as assign
from tqdm import tqdm

from pjap.grading.grade import Assignment, grade_submission, read_assignment
from pjap.grading.submission import Limits

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "book" / "assignments"
BUILT = ROOT / "_build" / "assignments"


def sources() -> list[Path]:
    """The assignments, in order."""
    return sorted(SOURCES.glob("[0-9]*.md"))


def make(source: Path, out: Path) -> None:
    """Make one assignment.

    Args:
        source: in otter assign's format, as MyST Markdown.
        out: the assignment's own folder; replaced.

    Raises:
        ValueError: if a question gives nothing or has no hidden check.
    """
    with tempfile.TemporaryDirectory() as scratch:
        notebook = jupytext.read(source)
        notebook.metadata.pop("jupytext", None)
        master = Path(scratch) / f"{source.stem}.ipynb"
        nbformat.write(notebook, master)  # type: ignore[no-untyped-call]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assign(str(master), str(Path(scratch) / "made"), no_run_tests=True)
        made = Path(scratch) / "made"
        shutil.rmtree(out, ignore_errors=True)
        (out / "student").mkdir(parents=True)
        shutil.copy(made / "student" / master.name, out / "student")
        shutil.copy(made / "autograder" / master.name, out / "solution.ipynb")
        (archive,) = (made / "autograder").glob("*.zip")
        shutil.copy(archive, out / "autograder.zip")
    questions = [yaml.safe_load(cell.source) for cell in notebook.cells if _begins(cell, "# BEGIN QUESTION")]
    about = {
        "name": source.stem,
        "checked": [question["name"] for question in questions if not question.get("manual")],
        "by_hand": {question["name"]: question["points"] for question in questions if question.get("manual")},
    }
    with zipfile.ZipFile(out / "autograder.zip", "a") as files:
        files.writestr("questions.json", json.dumps(about, indent=1))
    _require_checks(read_assignment(out / "autograder.zip"))


def _require_checks(assignment: Assignment) -> None:
    """Read from what was made, since otter has its own rules for points that are left out."""
    possible = {name: question.possible for name, question in assignment.questions.items()} | assignment.by_hand
    for name, points in possible.items():
        if not points > 0:
            raise ValueError(f"{name} of {assignment.name} gives no points")
    for name, question in assignment.questions.items():
        if not any(case.hidden for case in question.test_cases):
            raise ValueError(f"{name} of {assignment.name} has no hidden check")


def _begins(cell: Any, mark: str) -> bool:
    return bool(cell.cell_type == "raw" and cell.source.startswith(mark))


def verify(out: Path) -> None:
    """Grade the solution.

    Raises:
        ValueError: if it does not get full marks.
    """
    assignment = read_assignment(out / "autograder.zip")
    mark = grade_submission("solution", out / "solution.ipynb", assignment, Limits())
    if mark.lost or mark.notes:
        problems = "\n".join([*mark.notes, *(f"{lost.check}: {lost.hint} {lost.reason}" for lost in mark.lost)])
        raise ValueError(f"the solution of {assignment.name} does not get full marks:\n{problems}\n{mark.output}")


def main(prefixes: list[str]) -> None:
    """Make and verify the assignments whose names start with one of the prefixes."""
    otter_logging.set_level(otter_logging.WARNING)
    wanted = [source for source in sources() if not prefixes or source.name.startswith(tuple(prefixes))]
    for source in tqdm(wanted, desc="assignments", unit="assignment"):
        make(source, BUILT / source.stem)
        verify(BUILT / source.stem)


if __name__ == "__main__":
    main(sys.argv[1:])
