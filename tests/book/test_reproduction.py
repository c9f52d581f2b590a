"""The reproduction page's verdicts follow from the result files, and change when these do."""

import json
import shlex
import shutil

import nbformat
import numpy as np
import pytest
from scipy.stats import ttest_1samp
from tools import reference_notebooks as reference

from pjap import cli
from pjap.mamujoco import experiment

PAGE = reference.ROOT / "book" / "reproduction.md"
RESULTS = reference.ROOT / "book" / "results"


def run_page(folder, monkeypatch):
    """What the page's cells define, its figures left out and with few seeds, beside the results of a folder."""
    monkeypatch.chdir(folder)
    names = {}
    for cell in reference.read(PAGE).cells:
        if cell.cell_type == "code" and "plt.subplots(" not in cell.source:
            exec(cell.source.replace("SEEDS = range(50)", "SEEDS = range(3)"), names)
    return names


def rewrite(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(RESULTS, tmp_path / "results")
    return tmp_path


def robot_verdicts(names):
    """The verdicts on a learner, over all lengths of its runs."""
    verdicts = {}
    for place, quantity, _, _, verdict in names["robot"]:
        verdicts.setdefault((place[1], quantity), set()).add(verdict)
    return verdicts


def published():
    """The claims that the reference notebook states, as rows."""
    kept = nbformat.read(PAGE.with_suffix(".ipynb"), as_version=4)
    text = next(
        cell.outputs[0].text for cell in kept.cells if cell.cell_type == "code" and "for claim in claims" in cell.source
    )
    return [line.split(" | ") for line in text.splitlines()]


def end_of(result, quantity):
    curve = [point[quantity] for point in result["curve"]]
    return np.mean(curve[-max(1, round(len(curve) / 5)) :])


def test_published_verdicts_follow_from_the_files():
    """Judged again, from the files and with SciPy's own interval."""
    readings = {
        each["sampling"]: each for each in json.loads((RESULTS / "halfcheetah-paper.json").read_text())["readings"]
    }
    runs = experiment.group(experiment.read_results(RESULTS / "experiment"))
    stated = {(row[0], row[1].split(",")[0]): row[-1] for row in published() if row[0].startswith("2halfcheetah")}
    judged = {}
    for (dataset, name, common, updates), methods in runs.items():
        shared = sorted(set(methods.get("pjap", {})) & set(methods.get("uniform", {})))
        if dataset != "good" or not shared:
            continue
        for quantity, key in (("distance", "distance"), ("return", "mean")):
            expected = np.sign(readings["pjap"][key] - readings["uniform"][key])
            differences = expected * np.array(
                [end_of(methods["pjap"][s], quantity) - end_of(methods["uniform"][s], quantity) for s in shared]
            )
            verdict = "few pairs" if len(shared) > 1 else "one pair"
            if len(shared) >= 5:
                interval = ttest_1samp(differences, 0).confidence_interval(0.95)
                verdict = "holds" if interval.low > 0 else "reversed" if interval.high < 0 else "undecided"
            title = ["2halfcheetah", name, *filter(None, common.split(",")), f"{updates:,} updates"]
            judged[", ".join(title), quantity] = verdict
    assert judged.items() <= stated.items(), "the results have changed since: run `make notebooks`"
    assert {verdict for claim, verdict in stated.items() if claim not in judged} <= {"not run"}

    panels = [row for row in published() if row[0] == "twin peaks"]
    assert len(panels) == 16
    for row in panels:
        assert (row[-1] == "reproduced") == (abs(float(row[2]) - float(row[3].split()[0])) < 0.03)


def test_other_results_give_other_verdicts(folder, monkeypatch):
    for path in (folder / "results" / "experiment").glob("*-good-bc-pjap-*.json"):
        rewrite(path, lambda content: [point.update({"return": 9999.0, "distance": 0.5}) for point in content["curve"]])
    for path in (folder / "results" / "experiment").glob("*-good-cql-pjap*-seed[1-9].json"):
        path.unlink()
    rewrite(folder / "results" / "twin-peaks-paper.json", lambda content: content["readings"][0].update(reward=0.2))
    names = run_page(folder, monkeypatch)
    verdicts = robot_verdicts(names)
    assert verdicts["bc", "return"] == {"holds"}
    assert verdicts["bc", "distance"] == {"reversed"}
    assert verdicts["cql", "return"] == {"one pair"}, "one seed is no comparison"
    assert [claim[-1] for claim in names["claims"] if claim[0] == "twin peaks"].count("not reproduced") == 1


def pretend_that_recurrent_has_run(folder, change):
    """Cloning's results under the name of the paper's learner, in the place of its own."""
    experiments = folder / "results" / "experiment"
    for path in experiments.glob("*-recurrent-cql-*.json"):
        path.unlink()
    for path in experiments.glob("*-good-bc-*-50000-*.json"):
        content = json.loads(path.read_text())
        content["run"]["learner"] = "recurrent-cql"
        change(content)
        path.with_name(path.name.replace("-bc-", "-recurrent-cql-")).write_text(json.dumps(content))


def test_teams_that_have_not_learnt_to_run_decide_nothing(folder, monkeypatch):
    def fall(content):
        for point in content["curve"]:
            point["return"] = -400.0 - content["run"]["seed"]

    pretend_that_recurrent_has_run(folder, fall)
    last = run_page(folder, monkeypatch)["lines"][-1]
    assert "`recurrent-cql` (50,000 updates)" in last
    assert "say little about trained teams" in last


def test_the_papers_own_learner_takes_its_place_when_it_has_run(folder, monkeypatch):
    pretend_that_recurrent_has_run(folder, lambda content: None)
    names = run_page(folder, monkeypatch)
    assert robot_verdicts(names)["recurrent-cql", "distance"] == {"holds"}
    assert "not run" not in [claim[-1] for claim in names["claims"]]
    assert "50,000" in names["lines"][-1], "a tenth of the paper's updates is not the paper's experiment"
    assert "say little" not in names["lines"][-1]


def test_a_stated_command_makes_exactly_the_runs_of_its_row(folder, monkeypatch):
    names = run_page(folder, monkeypatch)
    asked = []
    monkeypatch.setattr(experiment, "run_sweep", lambda sweep, *rest: asked.append(sweep))
    for place, command in names["commands"].items():
        assert cli.main(shlex.split(command)[1:]) == 0
        made = {run.name for run in asked.pop().runs()}
        assert len(made) == 2 * len(names["common_seeds"](place))
        assert all((RESULTS / "experiment" / f"{name}.json").exists() for name in made)
