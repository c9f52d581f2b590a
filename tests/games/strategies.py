"""Random polynomial games, joint policies and datasets, for property tests."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pjap.games import PolynomialGame

# Rounded to a grid: extreme exponents test floating point, not the theorems.
actions = st.integers(-100, 100).map(lambda hundredths: hundredths / 100)
coefficients = st.integers(-30, 30).map(lambda tenths: tenths / 10)


@st.composite
def games(draw, players=None):
    n = draw(st.integers(2, 3)) if players is None else players
    shape = tuple(draw(st.integers(1, 4)) for _ in range(n))
    return PolynomialGame(draw(arrays(float, shape, elements=coefficients)))


def policies(players, *batch):
    return arrays(float, (*batch, players), elements=actions)


def datasets(players, least=1, most=8):
    return st.integers(least, most).flatmap(lambda m: arrays(float, (m, players), elements=actions))


@st.composite
def situations(draw, players=None):
    """A game, a joint policy and a dataset that go together."""
    game = draw(games(players))
    return game, draw(policies(game.players)), draw(datasets(game.players))


def grid(side):
    """Joint actions of two players on a regular grid of the square, none of them on an axis: (side**2, 2)."""
    axis = (np.arange(side) + 0.5) / side * 2 - 1
    assert side % 2 == 0
    return np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
