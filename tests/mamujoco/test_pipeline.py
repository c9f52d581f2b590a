"""From nothing to data with the command, for another scenario; and the film."""

import json

import numpy as np
import pytest

from pjap import cli
from pjap.mamujoco.behaviour import load_team
from pjap.mamujoco.film import film_team


def test_from_nothing_to_the_report_of_another_scenario(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("pjap.mamujoco.behaviour.FINAL_EPISODES", 2)
    sizes = {
        "transitions": 600,
        "copies": 4,
        "width": 8,
        "updates-per-step": 2,
        "batch-size": 8,
        "random-transitions": 400,
        "evaluate-every": 300,
    }
    options = [part for name, size in sizes.items() for part in (f"--{name}", str(size))]
    folders = ["--out", str(tmp_path / "teams"), "--checkpoints", str(tmp_path / "unfinished")]
    assert cli.main(["behaviour", "train", "--scenario", "3hopper", *options, *folders]) == 0
    good, medium = (tmp_path / "teams" / f"3hopper-{kind}-0.npz" for kind in ("good", "medium"))
    assert load_team(good).scenario == "3hopper"
    capsys.readouterr()
    make = ["dataset", "make", "mine", "--sources", str(good), str(medium), "--transitions", "100", "--copies", "4"]
    assert cli.main([*make, "--out", str(tmp_path / "vaults")]) == 0
    assert cli.main(["dataset", "check", capsys.readouterr().out.strip(), "--json"]) == 0
    description = json.loads(capsys.readouterr().out)
    assert description["scenario"] == "3hopper"
    assert description["shapes"]["observations"] == [200, 3, 9]
    assert description["terminals"] > 0

    run = ["experiment", "run", "--scenario", "3hopper", "--datasets", "mine", "--variants", "uniform", "pjap"]
    run += ["--seeds", "0", "1", "--updates", "20", "--evaluate-every", "20", "--episodes", "2"]
    assert cli.main([*run, "--vaults", str(tmp_path / "vaults"), "--results", str(tmp_path / "results")]) == 0
    capsys.readouterr()
    assert cli.main(["experiment", "report", "--results", str(tmp_path / "results"), "--json"]) == 0
    rows = {row["method"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["pjap"]["seeds"] == [0, 1]
    assert rows["pjap"]["difference"] is not None


class Canvas:
    """In MuJoCo's renderer's place, which needs a graphics library."""

    def __init__(self, model, height, width):
        self.shape = (height, width, 3)
        self.drawn = 0

    def update_scene(self, data, camera):
        self.drawn += 1

    def render(self):
        return np.full(self.shape, self.drawn, np.uint8)

    def close(self):
        pass


def test_a_film_has_its_frames_and_its_provenance(tmp_path, monkeypatch):
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    monkeypatch.setattr("mujoco.Renderer", Canvas)
    path = tmp_path / "film.mp4"
    film_team("2halfcheetah-good-0", path, 10, 0, 64, 48, "pjap behaviour film")
    assert imageio_ffmpeg.count_frames_and_secs(str(path)) == (10, 0.5)
    assert json.loads(path.with_suffix(".json").read_text())["frames"] == 10


def test_a_failed_film_leaves_nothing(tmp_path, monkeypatch):
    pytest.importorskip("imageio_ffmpeg")

    def fail(*_):
        raise RuntimeError("no display")

    monkeypatch.setattr("mujoco.Renderer", fail)
    with pytest.raises(ValueError, match="frames must be at least 1, got 0"):
        film_team("2halfcheetah-good-0", tmp_path / "film.mp4", 0, 0, 64, 48, "")
    with pytest.raises(OSError, match="set MUJOCO_GL=egl"):
        film_team("2halfcheetah-good-0", tmp_path / "film.mp4", 10, 0, 64, 48, "")
    monkeypatch.setattr("mujoco.Renderer", Canvas)
    monkeypatch.setattr(Canvas, "render", fail)
    with pytest.raises(RuntimeError):
        film_team("2halfcheetah-good-0", tmp_path / "film.mp4", 10, 0, 64, 48, "")
    assert list(tmp_path.iterdir()) == []
