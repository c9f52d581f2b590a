"""Polynomial games: where coordination failure can be derived, seen and mended, with NumPy alone.

>>> from pjap.games import datasets, learn, sign_agreement
>>> game = sign_agreement()
>>> data = datasets.points([[0.8, -0.8]])
>>> learn(game, data, [0.5, 0.4], update="brud", steps=200).rewards[-1].round(2)  # the worst joint action
np.float64(-1.0)
"""

from pjap.games import datasets
from pjap.games.learning import History, Update, draw, learn
from pjap.games.polynomial import (
    PolynomialGame,
    coupled_quadratic,
    differentiate,
    evaluate,
    leaning_agreement,
    no_interaction,
    sign_agreement,
    three_way_agreement,
    twin_peaks,
)
from pjap.games.theory import (
    averaged_polynomial,
    bias,
    brud_destination,
    critical_steepness,
    gaussian_shrinkage,
    leading_eigenvalue,
    pjap_jacobian,
    shrinkage_factor,
)
from pjap.games.updates import (
    brud_gradient,
    pjap_gradient,
    proximal_probabilities,
    replayed_gradient,
    true_gradient,
)

__all__ = [
    "History",
    "PolynomialGame",
    "Update",
    "averaged_polynomial",
    "bias",
    "brud_destination",
    "brud_gradient",
    "coupled_quadratic",
    "critical_steepness",
    "datasets",
    "differentiate",
    "draw",
    "evaluate",
    "gaussian_shrinkage",
    "leading_eigenvalue",
    "leaning_agreement",
    "learn",
    "no_interaction",
    "pjap_gradient",
    "pjap_jacobian",
    "proximal_probabilities",
    "replayed_gradient",
    "shrinkage_factor",
    "sign_agreement",
    "three_way_agreement",
    "true_gradient",
    "twin_peaks",
]
