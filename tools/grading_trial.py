"""Thirty submissions to the first assignment, good and bad, and what each must get: the grader's trial.

    python -m tools.grading_trial        grade them as a lecturer would, and record time and memory in the README

The tests grade the same thirty.
"""

import csv
import json
import os
import platform
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import nbformat

from pjap.files import write_atomically
from tools import assignments

NAME = "01-brud"
QUESTIONS = ("q1", "q2", "q3", "q4", "q5")
TIMEOUT, MEMORY = 5, 1500
"""Seconds and megabytes: short and small, so that the hostile ones do not take long."""
README = assignments.SOURCES / "README.md"

Cells = list[str]


@dataclass(frozen=True)
class Submission:
    """Something that was handed in.

    Attributes:
        kind: correct, partly right, wrong, broken or hostile.
        points: it must get, question by question.
        content: a notebook's code cells, or what writes something else.
        note: that the table of marks must hold.
    """

    kind: str
    points: tuple[int, int, int, int, int]
    content: Cells | Callable[[Path], None]
    note: str = ""


def solution_cells(solution: Path) -> Cells:
    """The code cells of a notebook."""
    cells = nbformat.read(solution, as_version=4).cells  # type: ignore[no-untyped-call]
    return [cell.source for cell in cells if cell.cell_type == "code"]


def replace(cells: Cells, *changes: tuple[str, str]) -> Cells:
    """The cells with pieces of text replaced, each of which must be in exactly one place."""
    changed = list(cells)
    for old, new in changes:
        places = [place for place, cell in enumerate(changed) if old in cell]
        if len(places) != 1 or changed[places[0]].count(old) != 1:
            raise ValueError(f"expected in one place, but it is in cells {places}: {old}")
        changed[places[0]] = changed[places[0]].replace(old, new)
    return changed


def answer(cells: Cells, **bodies: str) -> Cells:
    """The cells with functions of one's own: the lines after the signature, by the function's name."""
    changed = list(cells)
    for name, body in bodies.items():
        (place,) = [place for place, cell in enumerate(changed) if cell.startswith(f"def {name}(")]
        signature = changed[place].splitlines()[0]
        changed[place] = "\n".join([signature, *(f"    {line}" for line in body.splitlines())])
    return changed


def insert(cells: Cells, source: str) -> Cells:
    """The cells with one more, after the third question."""
    (place,) = [place for place, cell in enumerate(cells) if cell.startswith("def destination(")]
    return [*cells[:place], source, *cells[place:]]


def write_text(name: str, text: str) -> Callable[[Path], None]:
    """A writer of a file that is no notebook; `name` is its ending."""

    def write(path: Path) -> None:
        path.with_name(path.name + name).write_text(text)

    return write


def write_folder(**files: str) -> Callable[[Path], None]:
    """A writer of a folder with files of these names ("_" stands for the dot)."""

    def write(path: Path) -> None:
        path.mkdir()
        for name, text in files.items():
            (path / name.replace("_", ".")).write_text(text)

    return write


def notebook(cells: Cells) -> str:
    """A notebook as text."""
    cells = [nbformat.v4.new_code_cell(cell) for cell in cells]  # type: ignore[no-untyped-call]
    return str(nbformat.writes(nbformat.v4.new_notebook(cells=cells)))  # type: ignore[no-untyped-call]


LOOPS = """total = [0.0] * c.shape[player]
for row in data.tolist():
    for own in range(c.shape[player]):
        for other in range(c.shape[1 - player]):
            factor = c[own][other] if player == 0 else c[other][own]
            total[own] += float(factor) * row[1 - player] ** other
return [entry / len(data) for entry in total]"""

WITH_JAX = """import jax
import jax.numpy as jnp
def climbed(action, player):
    q = jnp.asarray(averaged_polynomial(c, data, player))
    return (q * action ** jnp.arange(len(q))).sum()
return jnp.stack([jax.grad(climbed)(jnp.float32(policy[player]), player) for player in (0, 1)])"""

ONLY_THE_EXAMPLES = {
    "averaged_polynomial": "return [0.3, 0.6, -1.0]",
    "brud": "return [-0.4, 0.8]",
    "bias": "return [0.0, 0.0]",
    "destination": "return [0.5, 0.5]",
    "learn": "return [[0.5, 0.4], [0.42, 0.48], [0.34, 0.56]]",
}

OVERWRITE_TESTS = """import os, sys, pathlib
os.makedirs("tests", exist_ok=True)
for name in ("q1", "q2", "q3", "q4", "q5"):
    pathlib.Path(f"tests/{name}.py").write_text("OK_FORMAT = False")
np.allclose = lambda *_, **__: True
np.testing.assert_allclose = lambda *_, **__: None
import otter
otter.Notebook.check = lambda *_, **__: "all passed"
import pjap.grading.checks
pjap.grading.checks.agree = lambda *_, **__: None
pathlib.Path("results.json").write_text('{"score": 14}')"""

FORGE_ANSWERS = """import os
for descriptor in range(3, 30):
    try:
        os.write(descriptor, b'14 of 14 points\\n')
    except OSError:
        pass"""

PICKLE = """class Answer:
    def __reduce__(self):
        import os
        return os.system, ("touch /tmp/pjap-was-unpickled",)
    def __array__(self, *_, **__):
        return np.array([Answer()], dtype=object)
return Answer()"""

LEAVE_A_PROCESS = """import os, shutil, subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(4321)"])
shutil.rmtree(os.getcwd())"""


def submissions(solution: Path, starter: Path) -> dict[str, Submission]:
    """All thirty, by student.

    Args:
        solution: the solution's notebook.
        starter: the student's.
    """
    right, empty = solution_cells(solution), solution_cells(starter)
    whole = (3, 4, 2, 3, 2)
    nothing = (0, 0, 0, 0, 0)
    clip = ("ends.append(np.clip(-slope / (2 * curve), -1, 1))", "ends.append(-slope / (2 * curve))")
    silly = dict.fromkeys(ONLY_THE_EXAMPLES, 'return "I do not know"')
    return {
        "anna": Submission("correct", whole, right),
        "bela": Submission("correct", whole, answer(right, averaged_polynomial=LOOPS)),
        "chen": Submission("correct", whole, answer(right, brud=WITH_JAX)),
        "dora": Submission("correct", whole, replace(right, ("return np.array(ends)", "return tuple(ends)"))),
        "emil": Submission("correct", whole, ["%matplotlib inline", "!echo ready", *right, "%time sum(range(9))"]),
        "fay": Submission("correct", whole, write_folder(work_ipynb=notebook(right), notes_txt="Thank you.")),
        "gus": Submission("partly right", (3, 1, 1, 3, 0), replace(right, ("drift.append(sum(", "drift.append(-sum("))),
        "hana": Submission(
            "partly right",
            (3, 2, 0, 3, 1),
            replace(right, ("* policy[player] ** (k", "* data[:, player].mean() ** (k")),
        ),
        "ivo": Submission("partly right", (0, 1, 0, 3, 2), replace(right, ("power).mean()", "power).sum()"))),
        "jun": Submission("partly right", (3, 4, 2, 2, 2), replace(right, clip)),
        "kofi": Submission("partly right", (3, 4, 0, 0, 0), right[: right.index('grader.check("q2")') + 1]),
        "lena": Submission("partly right", (1, 1, 1, 0, 1), answer(right, **ONLY_THE_EXAMPLES)),
        "mia": Submission("wrong", nothing, empty),
        "nils": Submission("wrong", nothing, answer(right, **silly)),
        "olga": Submission("wrong", nothing, [f"{name} = 3" for name in ONLY_THE_EXAMPLES]),
        "pia": Submission("broken", (3, 4, 0, 3, 2), answer(right, bias="return brud(c, policy"), "SyntaxError"),
        "quin": Submission(
            "broken", nothing, ["import numpi as np", *(cell for cell in right[2:] if "import" not in cell)], "numpi"
        ),
        "rosa": Submission("broken", nothing, write_text(".ipynb", notebook(right)[:999]), "Not graded"),
        "sami": Submission("broken", nothing, write_text(".pdf", "%PDF-1.7"), "not a notebook"),
        "tara": Submission("broken", nothing, write_folder(), "0 notebooks"),
        "ugo": Submission("hostile", whole, insert(right, "while True:\n    pass"), "did not finish"),
        "vera": Submission(
            "hostile", (3, 4, 0, 3, 2), answer(right, bias="while True:\n    pass"), "`bias` did not finish"
        ),
        "wim": Submission(
            "hostile",
            whole,
            insert(right, "hoard = []\nwhile True:\n    hoard.append(bytearray(10**7))"),
            "MemoryError",
        ),
        "xena": Submission("hostile", whole, insert(right, "for _ in range(300):\n    print('x' * 100_000)")),
        "yuri": Submission("hostile", nothing, [*answer(right, **silly), OVERWRITE_TESTS]),
        "zoe": Submission("hostile", whole, insert(right, "import os\nos._exit(0)"), "ended its own process"),
        "abel": Submission("hostile", whole, insert(right, FORGE_ANSWERS), "disturbed the grader's connection"),
        "bina": Submission("hostile", (3, 4, 0, 3, 2), answer(right, bias=PICKLE)),
        "carl": Submission(
            "hostile", (3, 4, 2, 0, 2), answer(right, destination="return np.zeros((3000, 3000))"), "64 megabytes"
        ),
        "dina": Submission("hostile", whole, insert(right, LEAVE_A_PROCESS)),
    }


def write(folder: Path, handed_in: dict[str, Submission]) -> None:
    """Write the submissions into a folder."""
    folder.mkdir(parents=True)
    for student, submission in handed_in.items():
        if callable(submission.content):
            submission.content(folder / student)
        else:
            (folder / f"{student}.ipynb").write_text(notebook(submission.content))


OFFLINE = '''"""Refuse every address that is not on this machine: imported by each Python process that finds it."""
import sys


def refuse(event, arguments):
    if event == "socket.getaddrinfo" or (event == "socket.connect" and isinstance(arguments[1], tuple)):
        with open({log!r}, "a") as log:
            log.write(f"{{event}} {{arguments[1] if event == 'socket.connect' else arguments[:2]}}\\n")
        raise OSError("no network in the trial")


sys.addaudithook(refuse)
'''


def grade(made: Path, folder: Path, out: Path) -> tuple[list[dict[str, str]], list[str]]:
    """Grade as a lecturer does, by the command, with no network.

    Args:
        made: the assignment's folder, see `assignments.make`.
        folder: of the submissions.
        out: for marks and reports.

    Returns:
        The rows of marks.csv, and the addresses that were asked for.
    """
    with tempfile.TemporaryDirectory() as hook:
        log = Path(hook) / "log"
        (Path(hook) / "sitecustomize.py").write_text(OFFLINE.format(log=str(log)))
        program = "import sys; from pjap.cli import main; sys.exit(main())"
        options = ["--autograder", made / "autograder.zip", "--out", out, "--timeout", TIMEOUT, "--memory", MEMORY]
        command = [sys.executable, "-c", program, "grade", folder, *options]
        path = os.pathsep.join([hook, *filter(None, [os.environ.get("PYTHONPATH")])])
        subprocess.run([str(word) for word in command], check=True, env={**os.environ, "PYTHONPATH": path})
        asked = log.read_text().splitlines() if log.exists() else []
    with open(out / "marks.csv", newline="") as table:
        return list(csv.DictReader(table)), asked


def measure(work: Path) -> dict[str, Any]:
    """Make the assignment, grade the thirty, and say how long it took."""
    start = time.monotonic()
    assignments.make(assignments.SOURCES / f"{NAME}.md", work / NAME)
    built = time.monotonic() - start
    handed_in = submissions(work / NAME / "solution.ipynb", work / NAME / "student" / f"{NAME}.ipynb")
    write(work / "handed-in", handed_in)
    start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    rows, _ = grade(work / NAME, work / "handed-in", work / "marked")
    total, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    computing = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    seconds = {row["student"]: float(row["seconds"]) for row in rows}
    memory = {row["student"]: float(row["memory_MB"]) for row in rows}
    kinds = list(dict.fromkeys(submission.kind for submission in handed_in.values()))
    by_kind = {kind: [name for name, submission in handed_in.items() if submission.kind == kind] for kind in kinds}
    return {
        "assignment": NAME,
        "submissions": len(rows),
        "as_expected": sum(marks(row) == handed_in[row["student"]].points for row in rows),
        "timeout_seconds": TIMEOUT,
        "memory_limit_MB": MEMORY,
        "make_seconds": round(built, 1),
        "grade_seconds": round(total, 1),
        "grade_processor_seconds": round(computing, 1),
        "kinds": {
            kind: {
                "submissions": len(names),
                "seconds": round(sum(seconds[name] for name in names), 1),
                "longest": round(max(seconds[name] for name in names), 1),
                "largest_MB": round(max(memory[name] for name in names)),
            }
            for kind, names in by_kind.items()
        },
        "made": {
            "command": "python -m tools.grading_trial",
            "date": date.today().isoformat(),
            "python": platform.python_version(),
            "otter-grader": version("otter-grader"),
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}",
            "load_before": round(os.getloadavg()[1], 1),
        },
    }


def marks(row: dict[str, str]) -> tuple[float, ...]:
    """The points of one row of marks.csv, question by question."""
    return tuple(float(row[question]) for question in QUESTIONS)


BEGIN, END = "<!-- begin: written by tools/grading_trial.py -->", "<!-- end -->"


def to_markdown(result: dict[str, Any]) -> str:
    """The README's paragraph and table."""
    made = result["made"]
    lines = [
        f"{result['submissions']} submissions to assignment {result['assignment']}, a limit of "
        f"{result['timeout_seconds']} seconds and {result['memory_limit_MB']} MB for each: "
        f"{result['as_expected']} marks as expected.",
        f"Making the assignment took {result['make_seconds']} s and grading all of them {result['grade_seconds']} s, "
        f"one after the other: {result['grade_processor_seconds']} s of a processor's time.",
        f"Measured on {made['date']} by `{made['command']}` ({made['machine']}, load {made['load_before']} "
        f"before it began; Python {made['python']}, otter-grader {made['otter-grader']}).",
        "",
        "| kind | submissions | seconds | longest | largest process |",
        "|---|---|---|---|---|",
    ]
    for kind, entry in result["kinds"].items():
        lines.append(
            f"| {kind} | {entry['submissions']} | {entry['seconds']} | {entry['longest']} | {entry['largest_MB']} MB |"
        )
    return "\n".join([BEGIN, *lines, END])


RECORD = assignments.ROOT / "book" / "results" / "grading-trial.json"


def main() -> None:
    """Measure, and write the record and the README's part."""
    with tempfile.TemporaryDirectory() as work:
        result = measure(Path(work))
    text = re.sub(f"{BEGIN}.*{END}", lambda _: to_markdown(result), README.read_text(), flags=re.DOTALL)
    for path, content in ((RECORD, json.dumps(result, indent=1) + "\n"), (README, text)):
        write_atomically(path, content.encode())
    print(to_markdown(result))


if __name__ == "__main__":
    main()
