"""Grade a folder of submissions: one table of marks, and one report for each student."""

import csv
import hashlib
import io
import json
import os
import time
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from pjap.files import require_writable, write_atomically
from pjap.grading.submission import Limits, NoAnswerError, StartError, Submission

LARGEST_NOTEBOOK = 50 * 2**20
"""In bytes; notebooks with figures have a few million."""
IGNORED = "otter_ignore"
"""The tag of cells that are not run when grading."""
LONGEST_NAME = 120
"""Of a report, in bytes, without its ending: file systems take 255, some with encryption only 143."""


@dataclass(frozen=True)
class Assignment:
    """What the autograder's archive says.

    Attributes:
        name: of the assignment.
        questions: otter's parsed test file of each question, by name.
        by_hand: points of the questions that a person marks, by name.
    """

    name: str
    questions: dict[str, Any]
    by_hand: dict[str, float]

    @property
    def possible(self) -> float:
        """Points that checks can give."""
        return float(sum(question.possible for question in self.questions.values()))


@dataclass(frozen=True)
class Lost:
    """A check that failed.

    Attributes:
        check: its name.
        hidden: whether the student has not seen it.
        points: lost with it.
        hint: what the assignment's author has to say.
        reason: what happened.
    """

    check: str
    hidden: bool
    points: float
    hint: str
    reason: str


@dataclass(frozen=True)
class Mark:
    """The result of one submission.

    Attributes:
        student: the name of the file or folder that was handed in.
        points: for each question that checks decide.
        lost: the checks that failed.
        notes: what else there is to say, most important first.
        output: the beginning of what the notebook printed.
        printed: bytes of it in all.
        seconds: it took.
        memory: the largest size of its process, in megabytes.
    """

    student: str
    points: dict[str, float]
    lost: list[Lost] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    output: str = ""
    printed: int = 0
    seconds: float = 0.0
    memory: float = 0.0

    @property
    def total(self) -> float:
        """Points that checks gave."""
        return sum(self.points.values())


def read_assignment(archive: Path) -> Assignment:
    """Read the checks of an assignment.

    Args:
        archive: the `autograder.zip` that `make assignments` writes. Its checks are run: it has to be your own.

    Raises:
        ValueError: if there is no such archive, or otter-grader is not installed.
    """
    try:
        from otter.test_files import ExceptionTestFile
    except ImportError as error:
        raise ValueError(f"grading needs otter-grader: pip install otter-grader ({error})") from None
    try:
        with zipfile.ZipFile(archive) as files:
            about = json.loads(files.read("questions.json"))
            sources = [files.read(f"tests/{name}.py").decode() for name in about["checked"]]
            tests = [ExceptionTestFile.from_string(source) for source in sources]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"{archive} is no autograder.zip of an assignment ({error}): run make assignments") from None
    return Assignment(about["name"], {test.name: test for test in tests}, about["by_hand"])


def grade_folder(folder: Path, archive: Path, out: Path, limits: Limits) -> list[Mark]:
    """Grade every submission in a folder and write `marks.csv` and `reports/STUDENT.md`, each as soon as it is known.

    A submission is a notebook, or a folder that holds one; its name stands for the student. A report with a very long
    name has a shorter one.

    Args:
        folder: of the submissions.
        archive: see `read_assignment`.
        out: folder for the results; an earlier `marks.csv` in it is replaced.
        limits: for each submission.

    Returns:
        The marks, by student.

    Raises:
        ValueError: if the folder is none, holds nothing or is to hold the results, or `read_assignment` does.
        OSError: if the results cannot be written, or this machine cannot run submissions (`StartError`).
    """
    assignment = read_assignment(archive)
    if out.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{out} is inside {folder}, where each entry is a submission: name another folder with --out")
    submissions = find_submissions(folder)
    require_writable(out / "reports")
    marks = []
    for student, path in tqdm(submissions.items(), desc=assignment.name, unit="submission"):
        mark = grade_submission(student, path, assignment, limits)
        marks.append(mark)
        report = to_report(mark, assignment).encode(errors="backslashreplace")
        write_atomically(out / "reports" / f"{_short(student)}.md", report)
        write_atomically(out / "marks.csv", to_csv(marks, assignment).encode(errors="backslashreplace"))
    return marks


def _short(name: str) -> str:
    """A name that file systems take; a long one loses its end, and gets a number that others do not have."""
    encoded = os.fsencode(name)
    if len(encoded) <= LONGEST_NAME:
        return name
    mark = hashlib.sha256(encoded).hexdigest()[:16]
    while len(os.fsencode(name)) > LONGEST_NAME - len(mark) - 1:
        name = name[:-1]
    return f"{name}-{mark}"


def find_submissions(folder: Path) -> dict[str, Path]:
    """The files and folders in a folder, hidden ones left out, by student.

    Raises:
        ValueError: if there are none.
    """
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}: give the one that holds the submissions")
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    if not entries:
        raise ValueError(f"{folder} is empty: put one notebook a student into it")
    # A dot in a folder's name is part of it, as in "smith.j".
    short = {entry: entry.name if entry.is_dir() else entry.stem for entry in entries}
    often = Counter(short.values())
    named = {name if often[name] == 1 else entry.name: entry for entry, name in short.items()}
    return named if len(named) == len(entries) else {entry.name: entry for entry in entries}


def grade_submission(student: str, path: Path, assignment: Assignment, limits: Limits) -> Mark:
    """Run one submission and check its answers; never fails, whatever was handed in.

    Raises:
        StartError: if this machine cannot run submissions.
    """
    start = time.monotonic()
    try:
        cells = read_cells(path)
    except ValueError as error:
        return Mark(student, dict.fromkeys(assignment.questions, 0.0), notes=[f"Not graded: {error}"])
    with Submission(cells, limits) as submission:
        points, lost = check(assignment, submission)
    return Mark(
        student,
        points,
        lost,
        submission.notes,
        submission.output,
        submission.printed,
        time.monotonic() - start,
        submission.memory,
    )


def check(assignment: Assignment, environment: Any) -> tuple[dict[str, float], list[Lost]]:
    """Make all checks of an assignment.

    Args:
        assignment: what is to be checked.
        environment: has `get(name, default)`: a `Submission`, or a dict of a notebook's names.

    Returns:
        Points of each question, and the failed checks.

    Raises:
        StartError: if the environment does.
    """
    points, lost = {}, []
    for name, question in assignment.questions.items():
        points[name] = 0.0
        for case in question.test_cases:
            reason = _failure(case, environment)
            if reason is None:
                points[name] += case.points
            else:
                lost.append(Lost(case.name, case.hidden, case.points, case.failure_message or "", reason))
    return points, lost


def _failure(case: Any, environment: Any) -> str | None:
    """Why a check fails; None if it does not."""
    try:
        case.body.call_func(environment)
    except StartError:  # no fault of the submission
        raise
    except (AssertionError, NoAnswerError) as failure:
        return str(failure)
    except Exception as error:  # the check met something that its author did not expect
        return f"The check could not use the answer ({type(error).__name__}: {error})."[:300]
    return None


def read_cells(path: Path) -> list[str]:
    """The code cells of a submission that grading runs.

    Args:
        path: a notebook, or a folder that holds one.

    Raises:
        ValueError: with the reason, if there is no notebook.
    """
    if path.is_dir():
        found = [file.relative_to(path) for file in path.rglob("*.ipynb")]
        # Jupyter's checkpoints, and what other systems leave beside a file, are hidden.
        inside = sorted(path / file for file in found if not any(part.startswith(".") for part in file.parts))
        if len(inside) != 1:
            raise ValueError(f"the folder holds {len(inside)} notebooks, expected one.")
        (path,) = inside
    if path.suffix != ".ipynb":
        raise ValueError(f"{path.name} is not a notebook, expected a file that ends in .ipynb.")
    try:
        if (size := path.stat().st_size) <= LARGEST_NOTEBOOK:
            cells = [cell for cell in json.loads(path.read_bytes())["cells"] if cell["cell_type"] == "code"]
            kept = [cell for cell in cells if IGNORED not in cell.get("metadata", {}).get("tags", [])]
            return ["".join(cell["source"]) for cell in kept]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        problem = "it is no notebook inside, and Jupyter cannot open it either"
        raise ValueError(f"{problem}: open it there before you hand it in again.") from None
    raise ValueError(f"the notebook has {size >> 20} MB: clear its outputs and hand it in again.")


# --- What is written --------------------------------------------------------------------------------------------------


def to_csv(marks: Sequence[Mark], assignment: Assignment) -> str:
    """One row a student; the columns of questions marked by hand are empty."""
    table = io.StringIO()
    writer = csv.writer(table)
    hand = list(assignment.by_hand)
    names = ["student", "checked", "of", *assignment.questions, *hand, "seconds", "memory_MB", "note"]
    writer.writerow(names)
    for mark in marks:
        points = [f"{points:g}" for points in mark.points.values()]
        measured = [f"{mark.seconds:.1f}", f"{mark.memory:.0f}"]
        total = [f"{mark.total:g}", f"{assignment.possible:g}"]
        row = [mark.student, *total, *points, *("" for _ in hand), *measured, " ".join(mark.notes)]
        writer.writerow([_harmless(entry) for entry in row])
    return table.getvalue()


def _harmless(entry: str) -> str:
    """Text that a spreadsheet does not take for a formula."""
    return f"'{entry}" if entry.startswith(("=", "+", "-", "@")) else entry


def to_report(mark: Mark, assignment: Assignment) -> str:
    """What a student gets to read."""
    lines = [f"# {assignment.name}: {mark.student}", ""]
    lines += [f"Checked: **{mark.total:g} of {assignment.possible:g}** points.", ""]
    for name, points in assignment.by_hand.items():
        lines += [f"Marked by a person, not counted here: {name}, {points:g} points.", ""]
    lines += ["| question | points | of |", "|---|---|---|"]
    for name, question in assignment.questions.items():
        lines.append(f"| {name} | {mark.points[name]:g} | {question.possible:g} |")
    if mark.notes:
        lines += ["", "## Notes", "", *(f"- {note}" for note in mark.notes)]
    if mark.lost:
        lines += ["", "## Where points were lost", ""]
        for lost in mark.lost:
            kind = "hidden check" if lost.hidden else "check"
            reasons = dict.fromkeys(text for text in (lost.hint, lost.reason) if text)
            worth = f"{lost.points:g} point{'s' * (lost.points != 1)}"
            lines.append(f"- {lost.check} ({kind}, {worth}): {' '.join(reasons)}")
    if mark.output.strip():
        lines += ["", "## What it printed", ""]
        if mark.printed > len(mark.output.encode()) + 1:  # the end of the last line is not kept
            lines += [f"The beginning of {mark.printed:,} bytes.", ""]
        lines += [f"    {line}" for line in mark.output.splitlines()]
    return "\n".join(lines) + "\n"
