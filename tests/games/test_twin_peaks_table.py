"""The paper's twin-peaks experiment, recomputed: all sixteen readings within 0.03 of ours (chapter 7)."""

import json
from pathlib import Path

import numpy as np
import pytest

from pjap.games import datasets, learn, twin_peaks

PAPER = Path(__file__).parents[2] / "book" / "results" / "twin-peaks-paper.json"
READINGS = json.loads(PAPER.read_text(encoding="utf-8"))["readings"]
PEAK = np.full(2, np.sqrt(3 / 8))
SEEDS = range(50)


def final_averages(standard_deviation, update):
    """Reward and sampled distance, averaged over the last ten epochs and the seeds."""
    data = np.stack([datasets.gaussian(PEAK, standard_deviation**2, 500, seed=seed) for seed in SEEDS])
    starts = np.tile([-0.5, 0.5], (len(SEEDS), 1))
    history = learn(twin_peaks(), data, starts, update=update, batch_size=64, seed=1000)
    return {"reward": history.rewards[-10:].mean(), "distance": history.distances[-10:].mean()}


def test_there_are_sixteen_readings():
    cases = {(reading["standard_deviation"], reading["update"]) for reading in READINGS}
    assert cases == {(spread, update) for spread in (0.0, 0.2, 0.5, 1.0) for update in ("brud", "pjap")}
    assert sum(len({"reward", "distance"} & reading.keys()) for reading in READINGS) == 16


@pytest.mark.parametrize(
    "reading", READINGS, ids=lambda reading: f"{reading['update']}-{reading['standard_deviation']}"
)
def test_ours_agree_with_the_papers_reading(reading):
    ours = final_averages(reading["standard_deviation"], reading["update"])
    for curve, value in ours.items():
        assert value == pytest.approx(reading[curve], abs=0.03), curve
