"""The assignments: the solution gets all, the starter nothing, wrong answers lose what they should; nothing leaks.

Answers are checked in this process here, which takes no time; `test_grading` does it as the grader does.
"""

import ast
import contextlib
import json
import re
import subprocess
import sys
import zipfile
from importlib.metadata import PackageNotFoundError, packages_distributions, requires

import jax
import jupytext
import nbformat
import pytest
from nbclient import NotebookClient
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tools import assignments, grading_trial

from pjap.grading.grade import IGNORED, check, read_assignment
from pjap.grading.worker import _silent_client

from .mutations import MUTATIONS

NAMES = [source.stem for source in assignments.sources()]
WRONG = [
    pytest.param(name, wrong, id=f"{name}: {wrong.mistake}") for name, wrongs in MUTATIONS.items() for wrong in wrongs
]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """All assignments, made from their sources."""
    folder = tmp_path_factory.mktemp("assignments")
    for source in assignments.sources():
        assignments.make(source, folder / source.stem)
    # The same networks are compiled again and again by slightly different notebooks.
    jax.config.update("jax_compilation_cache_dir", str(folder / "compiled"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    yield folder
    jax.config.update("jax_compilation_cache_dir", None)


def cells_of(notebook):
    """The code cells that grading runs."""
    cells = [cell for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"]
    return [cell.source for cell in cells if IGNORED not in cell.metadata.get("tags", [])]


def grade(made, name, cells, monkeypatch):
    """Points lost by question."""
    monkeypatch.setitem(sys.modules, "otter", _silent_client())
    names = {}
    for cell in cells:
        with contextlib.suppress(Exception):  # as in a notebook, the next cell runs all the same
            exec(cell, names)
    monkeypatch.undo()
    assignment = read_assignment(made / name / "autograder.zip")
    points, _ = check(assignment, names)
    losses = {question: file.possible - points[question] for question, file in assignment.questions.items()}
    return {question: loss for question, loss in losses.items() if loss}


def test_there_are_four_with_enough_wrong_answers():
    assert len(NAMES) == 4
    assert set(MUTATIONS) == set(NAMES)
    assert all(len(wrongs) >= 6 for wrongs in MUTATIONS.values())


@pytest.mark.parametrize("name", NAMES)
def test_points_and_parts(made, name):
    assignment = read_assignment(made / name / "autograder.zip")
    assert assignment.name == name
    assert (assignment.possible, sum(assignment.by_hand.values())) == (14, 6)
    for question in assignment.questions.values():
        public = [case for case in question.test_cases if not case.hidden]
        assert public, f"{question.name} tells a student nothing"
        assert len(public) < len(question.test_cases)
        assert all(re.search(r"[Hh]idden check", case.success_message) for case in public)
        assert all(case.failure_message for case in question.test_cases)
    text = (assignments.SOURCES / f"{name}.md").read_text()
    assert re.search(r"Plan (two to three|three|three to four|four) hours", text)
    assert "You will be able to" in text
    assert "**Rubric, 6 points.**" in text


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (("hidden: true", "hidden: false"), "q1 of 01-brud has no hidden check"),
        (("points: ", "points: 0 #"), "q1 of 01-brud gives no points"),
    ],
)
def test_a_question_without_points_or_hidden_checks_is_refused(tmp_path, change, problem):
    source = tmp_path / "01-brud.md"
    source.write_text((assignments.SOURCES / source.name).read_text().replace(*change))
    with pytest.raises(ValueError, match=problem):
        assignments.make(source, tmp_path / "made")


@pytest.mark.parametrize("name", NAMES)
def test_the_solution_gets_all(made, name, monkeypatch):
    assert grade(made, name, cells_of(made / name / "solution.ipynb"), monkeypatch) == {}


def test_an_answer_at_the_limit_counts(made, monkeypatch):
    """Mean rewards of one half, but for a rounding error."""
    wave = "np.cos(2 * np.pi * np.arange(25) / 25)"
    limits = (
        ("np.array([[0.8, 0.8], [-0.8, -0.8]] * 10)", f"np.stack([{wave}, {wave}], axis=1)"),
        ("np.array([[0.8, -0.8], [-0.8, 0.8]] * 10)", f"np.stack([{wave}, -{wave}], axis=1)"),
    )
    cells = grading_trial.replace(cells_of(made / "02-break-it" / "solution.ipynb"), *limits)
    assert grade(made, "02-break-it", cells, monkeypatch) == {}


@pytest.mark.parametrize("name", NAMES)
def test_the_starter_gets_nothing(made, name, monkeypatch):
    cells = cells_of(next((made / name / "student").glob("*.ipynb")))
    assert sum(grade(made, name, cells, monkeypatch).values()) == 14


@pytest.mark.parametrize(("name", "wrong"), WRONG)
def test_a_wrong_answer_loses_what_it_should(made, name, wrong, monkeypatch):
    right = cells_of(made / name / "solution.ipynb")
    assert grade(made, name, grading_trial.replace(right, *wrong.changes), monkeypatch) == wrong.lost


@pytest.mark.parametrize("name", NAMES)
def test_the_line_that_a_failed_check_shows_gives_no_number_away(made, name):
    """Otter prints the line of the check that failed."""
    metadata = nbformat.read(made / name / "student" / f"{name}.ipynb", as_version=4).metadata
    for source in metadata["otter"]["tests"].values():
        calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
        compared = [call.args[1] for call in calls if getattr(call.func, "id", "") == "agree"]
        assert all(isinstance(expected, ast.Name) for expected in compared)


# --- What students get ----------------------------------------------------------------------------------------------


def secret_lines(name):
    """Lines of a source that students must not see: solutions, hidden checks and rubrics."""
    secret, shown = set(), set()
    for cell in jupytext.read(assignments.SOURCES / f"{name}.md").cells:
        lines = [line.strip() for line in cell.source.splitlines()]
        inside = "hidden: true" in lines or lines[:1] == ["**Rubric, 6 points.**"]
        for line in lines:
            inside |= line.startswith("# BEGIN SOLUTION") and cell.cell_type == "code"
            (secret if inside or line.endswith("# SOLUTION") else shown).add(line)
            inside &= line != "# END SOLUTION"
    # Very short ones are everywhere.
    return {line for line in secret - shown if len(line) > 20}


@pytest.mark.parametrize("name", NAMES)
def test_nothing_for_lecturers_is_in_what_students_get(made, name):
    student = sorted(path for path in (made / name / "student").rglob("*") if path.is_file())
    assert [path.name for path in student] == [f"{name}.ipynb"]
    handed_out = json.dumps(json.loads(student[0].read_text()), ensure_ascii=False)
    secrets = secret_lines(name)
    assert len(secrets) > 20
    leaked = [line for line in secrets if json.dumps(line, ensure_ascii=False)[1:-1] in handed_out]
    assert leaked == []
    assert "hidden=True" not in handed_out
    with zipfile.ZipFile(made / name / "autograder.zip") as archive:
        checks = "".join(archive.read(file).decode() for file in archive.namelist() if file.startswith("tests/"))
    assert "hidden=True" in checks  # the search above looks for what there is


def test_nothing_for_lecturers_is_in_the_built_book():
    site = assignments.ROOT / "_build" / "html"
    if not (site / "index.html").exists():
        pytest.skip("the book is not built")
    pages = [path for path in site.rglob("*") if path.suffix in (".html", ".ipynb", ".md", ".js", ".txt", ".zip")]
    assert not [path for path in pages if "assignments" in path.parts]
    text = "\n".join(path.read_text(errors="replace") for path in pages if path.suffix != ".zip")
    for name in NAMES:
        rubric = re.search(r"\*\*Rubric, 6 points.\*\*(.*?)```", (assignments.SOURCES / f"{name}.md").read_text(), re.S)
        hints = [line[2:60] for line in rubric[1].splitlines() if line.startswith("- (")]
        assert len(hints) == 3
        assert not [hint for hint in hints if hint in text]
        assert f"{name}.ipynb" not in text


@pytest.mark.parametrize("name", NAMES)
def test_the_student_notebook_runs_in_jupyter(made, name, tmp_path):
    """In an own folder, with the starter's code: to the end, each check failing politely."""
    notebook = nbformat.read(made / name / "student" / f"{name}.ipynb", as_version=4)
    nbformat.write(notebook, tmp_path / f"{name}.ipynb")
    NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(tmp_path)}}).execute()
    checks = [cell for cell in notebook.cells if cell.source.startswith("grader.check")]
    assert len(checks) == len(read_assignment(made / name / "autograder.zip").questions)
    for cell in checks:
        said = "".join(str(output) for output in cell.outputs)
        assert "This is not answered yet." in said
        assert "hidden" not in said.lower()


def comes_with(*wanted):
    """The names of the distributions that pip installs for these requirements."""
    missing, found = list(map(Requirement, wanted)), {}
    while missing:
        requirement = missing.pop()
        name, extras = canonicalize_name(requirement.name), {"", *requirement.extras}
        if extras <= found.get(name, set()):
            continue
        found[name] = found.get(name, set()) | extras
        with contextlib.suppress(PackageNotFoundError):  # not in the environment of the tests
            needed = [Requirement(line) for line in requires(name) or []]
            missing += [each for each in needed if applies(each, found[name])]
    return set(found)


def applies(requirement, extras):
    return not requirement.marker or any(requirement.marker.evaluate({"extra": extra}) for extra in extras)


IMPORT_WITHOUT = """
import importlib, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent!r}:
            raise ModuleNotFoundError(f"{{name}} is not among what the student was told to install")

sys.meta_path.insert(0, Refuse())
for module in {modules!r}:
    importlib.import_module(module)
"""


def imports_of(sources):
    """The modules that pieces of Python import, wherever in them."""
    nodes = [node for source in sources for node in ast.walk(ast.parse(source))]
    named = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return sorted(named | {node.module for node in nodes if isinstance(node, ast.ImportFrom)})


@pytest.mark.parametrize("name", NAMES)
def test_what_students_are_told_to_install_is_enough(made, name):
    """The notebook names it; everything else is hidden from what it and its checks import."""
    notebook = nbformat.read(made / name / "student" / f"{name}.ipynb", as_version=4)
    text = "\n".join(cell.source for cell in notebook.cells)
    (extras,) = re.findall(r'pip install (?:"?\.(\[\w+\])?"?) otter-grader jupyterlab`', text)
    present = comes_with(f"pjap{extras}", "otter-grader", "jupyterlab")
    owners = {module: set(map(canonicalize_name, names)) for module, names in packages_distributions().items()}
    absent = {module for module, names in owners.items() if not names & present}
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    modules = imports_of([*sources, *notebook.metadata["otter"]["tests"].values()])
    assert {"numpy", "otter", "pjap.grading.checks"} <= set(modules)
    assert ("jax" in absent) == (extras == "")  # so that something is hidden
    program = IMPORT_WITHOUT.format(absent=absent, modules=modules)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
