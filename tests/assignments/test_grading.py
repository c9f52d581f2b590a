"""The grader, tried with thirty submissions; what it promises of a submission's process; and its errors."""

import contextlib
import csv
import io
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
import uuid
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tools import assignments, grading_trial

from pjap import cli
from pjap.grading import grade, wire, worker
from pjap.grading.checks import agree
from pjap.grading.submission import STARTS, Limits, NoAnswerError, StartError, Submission

QUICK = Limits(timeout=2, memory=600)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The first assignment's folder."""
    folder = tmp_path_factory.mktemp("made")
    assignments.make(assignments.SOURCES / f"{grading_trial.NAME}.md", folder)
    return folder


@pytest.fixture(scope="module")
def token():
    """Tells what the submissions of this run leave from what those of another one do."""
    return uuid.uuid4().hex


@pytest.fixture(scope="module")
def trial(made, tmp_path_factory, token):
    """The folder of the trial, what was handed in, and the rows of marks.csv."""
    work = tmp_path_factory.mktemp("trial")
    with pytest.MonkeyPatch.context() as patch:
        for name, old, new in (
            ("PICKLE", "pjap-was-unpickled", f"pjap-was-unpickled-{token}"),
            ("LEAVE_A_PROCESS", "time.sleep(4321)", f"time.sleep(4321)  # {token}"),
        ):
            assert old in getattr(grading_trial, name)
            patch.setattr(grading_trial, name, getattr(grading_trial, name).replace(old, new))
        starter = made / "student" / f"{grading_trial.NAME}.ipynb"
        handed_in = grading_trial.submissions(made / "solution.ipynb", starter)
    grading_trial.write(work / "in", handed_in)
    rows, asked = grading_trial.grade(made, work / "in", work / "out")
    return work, handed_in, {row["student"]: row for row in rows}, asked


def test_every_mark_is_the_expected_one(trial):
    _, handed_in, rows, _ = trial
    assert len(handed_in) == 30
    assert {name: grading_trial.marks(row) for name, row in rows.items()} == {
        name: tuple(map(float, submission.points)) for name, submission in handed_in.items()
    }
    assert all(float(row["checked"]) == sum(grading_trial.marks(row)) for row in rows.values())


def test_every_reason_is_given(trial):
    work, handed_in, rows, _ = trial
    for name, submission in handed_in.items():
        assert submission.note in rows[name]["note"], name
        report = (work / "out" / "reports" / f"{name}.md").read_text()
        assert f"**{rows[name]['checked']} of 14**" in report
        assert len(report) < 10_000, "a report that nobody reads"
        assert not {"worker.py", "atexit"} & set(re.findall(r"[\w.]+", report)), "what the grader's own process says"
        lost = 14 - float(rows[name]["checked"])
        assert (lost > 0) == ("Where points were lost" in report or "Not graded" in report)
    assert "30," in (work / "out" / "reports" / "xena.md").read_text(), "how much it printed"
    assert "The beginning of" not in (work / "out" / "reports" / "anna.md").read_text(), "all of it is shown"
    assert len(list((work / "out" / "reports").iterdir())) == 30


def test_nobody_asked_for_the_network(trial):
    assert trial[3] == []


def test_who_asks_for_the_network_is_seen(made, tmp_path):
    """So that the test above can fail."""
    ask = "import urllib.request\nurllib.request.urlopen('http://somewhere.invalid:4321/answers')"
    grading_trial.write(tmp_path / "in", {"eve": grading_trial.Submission("hostile", (0,) * 5, [ask])})
    _, asked = grading_trial.grade(made, tmp_path / "in", tmp_path / "out")
    assert asked
    assert all("somewhere.invalid" in line for line in asked)


def test_nothing_was_unpickled_and_nothing_was_left_running(trial, token):
    assert not Path(f"/tmp/pjap-was-unpickled-{token}").exists()
    running = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it may end in this moment
            running.append((process / "cmdline").read_bytes())
    assert not [command for command in running if token.encode() in command]


def test_the_hints_of_hidden_checks_give_nothing_away(trial):
    report = (trial[0] / "out" / "reports" / "hana.md").read_text()
    assert "The own action is the current one." in report
    assert "expected" not in report.lower()
    assert "agree(" not in report


def test_the_readme_tells_what_was_measured():
    record = json.loads(grading_trial.RECORD.read_text())
    assert grading_trial.to_markdown(record) in grading_trial.README.read_text()
    assert record["as_expected"] == record["submissions"] == 30
    assert "busy" not in grading_trial.to_markdown(record), "only the load is measured"


# --- One submission -------------------------------------------------------------------------------------------------


def test_functions_and_values_come_across():
    cells = [
        "import numpy as np",
        "def f(a, *, times=1):\n    return {'twice': [a * times, None], 'n': len(a)}",
        "x = 1.5",
    ]
    with Submission(cells, QUICK) as submission:
        answer = submission.get("f")(np.array([1, 2]), times=2)
        np.testing.assert_array_equal(answer["twice"][0], [2, 4])
        assert (answer["twice"][1], answer["n"], submission.get("x")) == (None, 2, 1.5)
        with pytest.raises(NoAnswerError, match="there is no `y`"):
            submission.get("y")
        generator = np.random.default_rng(3)
        expected = np.random.default_rng(3).random()
        with Submission(["def g(rng):\n    return rng.random()"], QUICK) as other:
            assert other.get("g")(generator) == expected


def test_a_slow_function_costs_its_time_once():
    with Submission(["def slow():\n    while True:\n        pass\ndef fast():\n    return 1"], QUICK) as submission:
        for _ in range(2):
            with pytest.raises(NoAnswerError, match="did not finish"):
                submission.get("slow")()
        assert submission.get("fast")() == 1
    assert submission.notes == ["`slow` did not finish within the time limit."]


def test_many_cells_that_end_the_process_cost_only_what_comes_after_them():
    cells = ["import os\nx = 1", *["os._exit(3)"] * 9, "y = 1"]
    start = time.monotonic()
    with Submission(cells, QUICK) as submission:
        assert submission.get("x") == 1
        with pytest.raises(NoAnswerError, match="there is no `y`"):
            submission.get("y")
    assert time.monotonic() - start < 60
    assert all("exit status 3" in note for note in submission.notes)
    assert [note.endswith("it and all cells after it were left out.") for note in submission.notes] == [
        *[False] * (STARTS - 2),
        True,
    ]


def test_as_many_long_cells_as_there_are_starts_for_cost_nothing():
    cells = ["import os", *["os._exit(3)"] * (STARTS - 2), "x = 1"]
    with Submission(cells, QUICK) as submission:
        assert submission.get("x") == 1
    assert len(submission.notes) == STARTS - 2


def test_a_submission_that_ends_itself_again_and_again_is_given_up(tmp_path):
    """Also by a cell that it ran before."""
    count = f"import os, pathlib\ncount = pathlib.Path({str(tmp_path / 'count')!r})\nwith count.open('a') as file:\n"
    count += f"    file.write('.')\nif count.stat().st_size == {STARTS}:\n    os._exit(3)"
    with Submission([count, *["os._exit(3)"] * 9, "x = 1"], QUICK) as submission:
        for _ in range(2):
            with pytest.raises(NoAnswerError, match="not started again"):
                submission.get("x")
    assert (tmp_path / "count").stat().st_size == STARTS


def test_a_submission_cannot_spoil_its_next_start():
    """Neither by the folder that it ran in, nor by what it left there for Python to find."""
    cells = ["import os, shutil\nshutil.rmtree(os.getcwd())", "os._exit(3)", "x = 1"]
    with Submission(cells, QUICK) as submission:
        assert submission.get("x") == 1
    cells = ["import os, pathlib\nold = pathlib.Path('old').exists()\npathlib.Path('old').touch()", "os._exit(3)"]
    with Submission(cells, QUICK) as submission:
        assert submission.get("old") is False


# --- The grading machine --------------------------------------------------------------------------------------------


def hand_in(folder, *students):
    """Notebooks that answer nothing."""
    folder.mkdir()
    for student in students:
        (folder / f"{student}.ipynb").write_text(grading_trial.notebook(["x = 1"]))
    return folder


@pytest.mark.parametrize("broken", ["/bin/false", "/nowhere/python"])
def test_a_machine_that_cannot_grade_gives_nobody_a_mark(made, tmp_path, monkeypatch, capsys, broken):
    folder = hand_in(tmp_path / "in", "ann", "bob")
    monkeypatch.setattr(sys, "executable", broken)
    assert cli.main(["grade", str(folder), "--autograder", str(made / "autograder.zip")]) == 1
    said = capsys.readouterr().err
    assert "this machine cannot grade" in said
    assert broken in said
    assert "allow more memory" in said
    assert not list((tmp_path / "in-marked").rglob("*.*"))


def test_a_limit_that_the_machine_refuses_is_no_submissions_fault():
    """Seen before the first cell runs."""
    with Submission(["x = 1"], Limits(memory=2**50)) as submission, pytest.raises(StartError, match="OverflowError"):
        submission.get("x")


def test_marks_are_kept_when_grading_is_interrupted(made, tmp_path, monkeypatch):
    """Each is written as soon as it is known."""
    graded = grade.grade_submission

    def interrupted(student, *others):
        if student == "bob":
            raise KeyboardInterrupt
        return graded(student, *others)

    monkeypatch.setattr(grade, "grade_submission", interrupted)
    with pytest.raises(KeyboardInterrupt):
        grade.grade_folder(hand_in(tmp_path / "in", "ann", "bob"), made / "autograder.zip", tmp_path / "out", QUICK)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out" / "marks.csv").read_text())))
    assert [row["student"] for row in rows] == ["ann"]


def test_long_names_get_reports_of_their_own(made, tmp_path):
    students = ["ä" * 120 + end for end in ("one", "two")]
    marks = grade.grade_folder(
        hand_in(tmp_path / "in", *students), made / "autograder.zip", tmp_path / "out", Limits(memory=600)
    )
    assert [mark.student for mark in marks] == students
    reports = sorted((tmp_path / "out" / "reports").iterdir())
    assert len(reports) == 2
    assert sorted(report.read_text().splitlines()[0] for report in reports) == [
        f"# 01-brud: {name}" for name in students
    ]


@pytest.mark.parametrize(("system", "limited"), [("linux", True), ("darwin", False)])
def test_address_space_is_limited_where_the_system_can(monkeypatch, system, limited):
    """MacOS refuses that limit, whatever its size."""
    asked = []
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(resource, "setrlimit", lambda what, limits: asked.append(what))
    worker._limit(2**30)
    assert {resource.RLIMIT_FSIZE, resource.RLIMIT_CORE} <= set(asked)
    assert (resource.RLIMIT_AS in asked) == limited


@pytest.mark.parametrize("error", [PermissionError, ProcessLookupError])
def test_a_process_group_that_is_gone_is_waited_for(monkeypatch, error):
    """MacOS gives a dead leader that nobody has waited for a PermissionError."""

    def kill(number, what):
        os.kill(number, signal.SIGKILL)
        raise error

    monkeypatch.setattr(os, "killpg", kill)
    with Submission(["x = 1"], QUICK) as submission:
        assert submission.get("x") == 1
        process = submission._process._process
    assert process.returncode == -signal.SIGKILL


def test_a_submission_that_stops_its_clock_meets_the_other_one():
    cells = ["import signal, time\nsignal.setitimer(signal.ITIMER_PROF, 0)\ntime.sleep(1000)", "x = 1"]
    with Submission(cells, Limits(timeout=0.5, memory=600)) as submission:
        assert submission.get("x") == 1
    assert "did not finish" in submission.notes[0]


def test_a_submission_keeps_what_it_has_when_its_time_is_over():
    def checks(name, ask):
        case = SimpleNamespace(name=name, hidden=False, points=1.0, failure_message="", body=SimpleNamespace())
        case.body.call_func = ask
        return SimpleNamespace(test_cases=[case])

    def use_the_time(submission):
        submission._end = time.monotonic() + 0.5
        submission.get("slow")()

    questions = {
        "q1": checks("quick", lambda submission: agree(submission.get("x"), 1, "")),
        "q2": checks("slow", use_the_time),
        "q3": checks("late", lambda submission: agree(submission.get("x"), 1, "")),
    }
    with Submission(["x = 1\ndef slow():\n    import time\n    time.sleep(1000)"], Limits(memory=600)) as submission:
        points, lost = grade.check(grade.Assignment("timed", questions, {}), submission)
        assert submission._starts == 1, "nothing starts after its time"
    assert points == {"q1": 1.0, "q2": 0.0, "q3": 0.0}
    unfinished, late = (each.reason for each in lost)
    assert "`slow` did not finish" in unfinished
    assert "600 seconds for the whole submission were over" in late
    assert submission.notes == [unfinished, late]


def test_cells_that_take_all_the_time_are_not_run_again():
    with Submission(["import time\ntime.sleep(1000)", "x = 1"], Limits(memory=600)) as submission:
        submission._end = time.monotonic() + 8
        with pytest.raises(NoAnswerError, match="600 seconds for the whole submission were over"):
            submission.get("x")
        assert submission._starts == 1
    assert "did not finish" in submission.notes[0]


FLOOD = """
import fcntl, json, os, signal, time
signal.setitimer(signal.ITIMER_PROF, 0)
pipes = [int(fd) for fd in os.listdir("/proc/self/fd") if int(fd) > 2 and os.path.exists(f"/proc/self/fd/{fd}")]
pipes = [fd for fd in pipes if os.readlink(f"/proc/self/fd/{fd}").startswith("pipe")]
(out,) = [fd for fd in pipes if fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_WRONLY]
end = time.monotonic() + 30  # so that this fails, and does not hang, where the grader listens for ever
while time.monotonic() < end:
    os.write(out, (json.dumps(MESSAGE) + "\\n").encode())
os._exit(3)
"""
"""It stops its own clock and sends the grader valid messages."""


@pytest.mark.skipif(sys.platform != "linux", reason="looks for the pipe in /proc")
def test_a_submission_that_never_stops_talking_is_out_of_time_too():
    flood = FLOOD.replace("MESSAGE", '{"cell": "1"}')
    with Submission([flood, "x = 1"], Limits(timeout=0.5, memory=600)) as submission:
        assert submission.get("x") == 1
    (note,) = submission.notes
    assert "did not finish" in note


@pytest.mark.skipif(sys.platform != "linux", reason="looks for the pipe in /proc")
def test_forged_failures_add_no_more_notes_than_there_are_cells():
    forged = "for number in range(1000):\n"
    forged += "    os.write(out, (json.dumps({'failed': number % 2, 'reason': str(number)}) + '\\n').encode())"
    find_pipe = FLOOD.split("end =")[0]
    with Submission([find_pipe + forged, "y = 1"], QUICK) as submission:
        assert submission.get("y") == 1
    assert len(submission.notes) == 1


def test_it_cannot_raise_its_own_memory_limit():
    cells = [
        "import resource\ntry:\n    resource.setrlimit(resource.RLIMIT_AS, (-1, -1))\nexcept ValueError:\n    pass",
        "limit = resource.getrlimit(resource.RLIMIT_AS)[1]",
    ]
    with Submission(cells, QUICK) as submission:
        if submission.get("limit") == -1:
            pytest.skip("the administrator may raise every limit: grade on an ordinary account")
        assert submission.get("limit") == 600 * 2**20


# --- JSON between the two -------------------------------------------------------------------------------------------

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner),
)


@given(VALUES)
def test_what_travels_arrives(value):
    assert wire.decode(json.loads(json.dumps(wire.encode(value)))) == value


@pytest.mark.parametrize("dtype", ["float32", "int64", "bool", "complex128"])
def test_arrays_arrive_bit_for_bit(dtype):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    found = wire.decode(json.loads(json.dumps(wire.encode(array))))
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize(
    "value", [Fraction(9, 16), [Decimal("0.5"), Fraction(1, 2)], np.array([Fraction(1, 2), 2], dtype=object)]
)
def test_what_the_public_checks_take_travels(value):
    agree(value, np.asarray(value, float), "")
    agree(wire.decode(json.loads(json.dumps(wire.encode(value)))), np.asarray(value, float), "")


@pytest.mark.parametrize("value", [object(), {1: 2}, np.array([object()]), np.array(["a"])])
def test_other_things_do_not_travel(value):
    with pytest.raises(TypeError):
        wire.encode(value)


FORGED_GENERATOR = {
    "bit_generator": "PCG64",
    "state": {"state": 2**200, "inc": 1},
    "has_uint32": 0,
    "uinteger": 0,
}


@pytest.mark.parametrize(
    "message",
    [
        {"array": "AAAA", "dtype": "|O", "shape": [1]},
        {"array": "AAAA", "dtype": "<f8", "shape": [10**9]},
        {"array": "?", "dtype": ["a"], "shape": 3},
        {"list": 3},
        {"dict": []},
        {"generator": {"bit_generator": "os.system"}},
        {"generator": FORGED_GENERATOR},
        {"unknown": 1},
    ],
)
def test_forged_messages_are_refused(message):
    with pytest.raises(ValueError, match="not an encoded value"):
        wire.decode(message)


# --- What else may be handed in, and what a lecturer may get wrong --------------------------------------------------


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no notebook inside"),
        (b"\xff\xfe", "no notebook inside"),
        (b"[]", "no notebook inside"),
        (b'{"cells": [3]}', "no notebook inside"),
        (b'{"cells": [{"cell_type": "code"}]}', "no notebook inside"),
        (b"[" * 100_000, "no notebook inside"),
    ],
)
def test_what_is_no_notebook_gets_a_reason(tmp_path, content, reason):
    (tmp_path / "a.ipynb").write_bytes(content)
    with pytest.raises(ValueError, match=reason):
        grade.read_cells(tmp_path / "a.ipynb")


def test_two_submissions_of_one_name_are_both_graded(tmp_path):
    (tmp_path / "ann.ipynb").touch()
    (tmp_path / "ann.pdf").touch()
    (tmp_path / ".DS_Store").touch()
    assert list(grade.find_submissions(tmp_path)) == ["ann.ipynb", "ann.pdf"]


def test_a_dot_in_a_folders_name_is_part_of_it(tmp_path):
    (tmp_path / "smith.j").mkdir()
    assert list(grade.find_submissions(tmp_path)) == ["smith.j"]
    (tmp_path / "ann.b").mkdir()
    (tmp_path / "ann.ipynb").touch()
    (tmp_path / "ann.b.ipynb").touch()
    found = grade.find_submissions(tmp_path)
    assert {path.name for path in found.values()} == {"smith.j", "ann.b", "ann.ipynb", "ann.b.ipynb"}


def test_what_jupyter_and_other_systems_leave_beside_a_notebook_is_not_handed_in(tmp_path):
    for place in ("work.ipynb", ".ipynb_checkpoints/work-checkpoint.ipynb", "__MACOSX/._work.ipynb"):
        path = tmp_path / "ann" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"cells": [{"cell_type": "code", "metadata": {}, "source": place}]}))
    assert grade.read_cells(tmp_path / "ann") == ["work.ipynb"]


def test_a_name_is_no_formula_in_the_table():
    table = grade.to_csv([grade.Mark("=1+1", {})], grade.Assignment("a", {}, {"q9": 6.0}))
    (row,) = csv.DictReader(io.StringIO(table))
    assert (row["student"], row["q9"]) == ("'=1+1", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing", "--autograder", "a.zip"], "is no autograder.zip"),
        (["missing", "--autograder", "a.zip", "--timeout", "0"], "timeout is 0"),
        (["missing", "--autograder", "a.zip", "--timeout", "inf"], "timeout is inf"),
        (["missing", "--autograder", "a.zip", "--total", "20"], "total is 20.0, expected at least the timeout's 30.0"),
        (["missing", "--autograder", "a.zip", "--memory", "1"], "memory is 1"),
    ],
)
def test_errors_say_what_to_do(arguments, message, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["grade", *arguments]) == 1
    assert message in capsys.readouterr().err


def test_results_do_not_go_among_the_submissions(tmp_path, made):
    out = tmp_path / "handed-in" / "marked"
    with pytest.raises(ValueError, match="each entry is a submission"):
        grade.grade_folder(tmp_path / "handed-in", made / "autograder.zip", out, Limits())


def test_without_otter_the_command_works_and_grading_says_what_is_missing(capsys, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "otter.test_files", None)
    assert cli.main(["grade", str(tmp_path), "--autograder", "a.zip"]) == 1
    assert "pip install otter-grader" in capsys.readouterr().err
    code = "import sys; sys.modules['otter'] = None; from pjap import cli; print('otter.api' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


def test_agree_is_tolerant_of_form_and_not_of_numbers():
    agree([1, 2], np.array([1.0, 2.0000001]), "")
    agree(np.float32(0.1), 0.1, "", tolerance=1e-5)
    agree([1 + 0j, 2], [1.0, 2.0], "")
    wrong_ones = (([1, 3], "hint"), ([1], "shape"), ("text", "str"), ([np.nan, 2], "NaN"), (..., "not answered"))
    for wrong, said in (*wrong_ones, ([1 + 9j, 2], "imaginary")):
        with pytest.raises(AssertionError, match=said):
            agree(wrong, [1.0, 2.0], "hint")


def test_cells_with_long_computations_are_not_run(tmp_path):
    cells = [nbformat.v4.new_code_cell("x = 1"), nbformat.v4.new_code_cell("y = 1", metadata={"tags": [grade.IGNORED]})]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "a.ipynb")
    assert grade.read_cells(tmp_path / "a.ipynb") == ["x = 1"]
