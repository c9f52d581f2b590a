"""Plausible wrong answers: a change of the solution, and the points that it must cost, question by question."""

from typing import NamedTuple


class Wrong(NamedTuple):
    """A wrong answer: pieces of the solution replaced, and what they cost."""

    mistake: str
    changes: tuple[tuple[str, str], ...]
    lost: dict[str, float]


MUTATIONS: dict[str, list[Wrong]] = {
    "01-brud": [
        # The bias keeps its size and changes its sign, and the team walks downhill.
        Wrong("sign error", (("drift.append(sum(", "drift.append(-sum("),), {"q2": 3, "q3": 1, "q5": 2}),
        Wrong(
            "replayed own action",
            (("* policy[player] ** (k - 1)", "* np.mean(data[:, player] ** (k - 1))"),),
            {"q2": 2, "q3": 2, "q5": 1},
        ),
        Wrong("sum instead of mean", (("power).mean()", "power).sum()"),), {"q1": 3, "q2": 3, "q3": 2}),
        Wrong(
            "square of the mean",
            (("(partner**power).mean()", "partner.mean() ** power"),),
            {"q1": 2, "q2": 2, "q3": 1, "q4": 2},
        ),
        Wrong(
            "own column averaged",
            (("data[:, 1 - player]", "data[:, player]"),),
            {"q1": 3, "q2": 4, "q3": 1, "q4": 3, "q5": 2},
        ),
        Wrong(
            "game not transposed", (("c if player == 0 else c.T", "c"),), {"q1": 1, "q2": 2, "q3": 1, "q4": 1, "q5": 1}
        ),
        Wrong(
            "true gradient less BRUD",
            (
                (
                    "brud(c, policy, data) - brud(c, policy, np.asarray(policy)[None])",
                    "brud(c, policy, np.asarray(policy)[None]) - brud(c, policy, data)",
                ),
            ),
            {"q3": 1},
        ),
        Wrong(
            "destination not clipped", (("np.clip(-slope / (2 * curve), -1, 1)", "-slope / (2 * curve)"),), {"q4": 1}
        ),
        Wrong("factor 2 forgotten", (("-slope / (2 * curve)", "-slope / curve"),), {"q4": 2}),
        Wrong("policy not clipped", (("policies.append(np.clip(moved, -1, 1))", "policies.append(moved)"),), {"q5": 1}),
        Wrong("start left out", (("return np.stack(policies)", "return np.stack(policies[1:])"),), {"q5": 1}),
    ],
    "02-break-it": [
        Wrong(
            "players swapped",
            (("5 * y.mean() / (2 + 8 * (y**2).mean())", "5 * x.mean() / (2 + 8 * (x**2).mean())"),),
            {"q1": 1},
        ),
        Wrong(
            "square of the mean", (("(y**2).mean()", "y.mean() ** 2"), ("(x**2).mean()", "x.mean() ** 2")), {"q1": 2}
        ),
        Wrong(
            "mean reward of the data",
            (("return float(twin_peaks([[end_x, end_y]])[0])", "return float(twin_peaks(data).mean())"),),
            {"q1": 2},
        ),
        Wrong("means of one sign", (("[[1.0, 0.3], [-0.3, -1.0]]", "[[1.0, 0.3], [0.3, 1.0]]"),), {"q2": 2}),
        Wrong("plainly bad data", (("[[1.0, 0.3], [-0.3, -1.0]]", "[[1.0, -0.3], [0.3, -1.0]]"),), {"q2": 3}),
        Wrong("too few joint actions", (("[[1.0, 0.3], [-0.3, -1.0]] * 10", "[[1.0, 0.3], [-0.3, -1.0]]"),), {"q2": 3}),
        Wrong("columns not alike", (("[[0.8, -0.8], [-0.8, 0.8]]", "[[0.8, -0.8], [0.8, -0.8]]"),), {"q3": 1}),
        Wrong(
            "the two exchanged",
            (
                ("calm = np.array([[0.8, 0.8], [-0.8, -0.8]]", "calm = np.array([[0.8, -0.8], [-0.8, 0.8]]"),
                ("wild = np.array([[0.8, -0.8], [-0.8, 0.8]]", "wild = np.array([[0.8, 0.8], [-0.8, -0.8]]"),
            ),
            {"q3": 2},
        ),
        Wrong(
            "outside the square",
            (
                ("calm = np.array([[0.8, 0.8], [-0.8, -0.8]]", "calm = np.array([[8.0, 8.0], [-8.0, -8.0]]"),
                ("wild = np.array([[0.8, -0.8], [-0.8, 0.8]]", "wild = np.array([[8.0, -8.0], [-8.0, 8.0]]"),
            ),
            {"q3": 3},
        ),
        Wrong("only two of each", (("[-0.8, -0.8]] * 10", "[-0.8, -0.8]]"),), {"q3": 3}),
        Wrong(
            "worst data below the limit",
            (("good = 5 * p * q - p**2 - q**2 - 4 * p**2 * q**2 >= 0", "good = p < 2"),),
            {"q4": 5},
        ),
        Wrong(
            "coarse search",
            (("np.linspace(-1, 1, 801), np.linspace(-1, 1, 801)", "np.linspace(-1, 1, 11), np.linspace(-1, 1, 11)"),),
            {"q4": 1},
        ),
        Wrong(
            "good data",
            (("worst = np.array([[p, q], [-q, -p]] * 10)", "worst = np.array([[0.6, 0.6]] * 20)"),),
            {"q4": 4},
        ),
        Wrong(
            "transposed",
            (("worst = np.array([[p, q], [-q, -p]] * 10)", "worst = np.array([[p, q], [-q, -p]] * 10).T"),),
            {"q4": 5},
        ),
    ],
    "03-pjap": [
        Wrong(
            "sum instead of mean",
            (("np.asarray(policy)).mean(axis=-1)", "np.asarray(policy)).sum(axis=-1)"),),
            {"q1": 1},
        ),
        Wrong(
            "differences cancel",
            (
                (
                    "np.abs(np.asarray(data) - np.asarray(policy)).mean(axis=-1)",
                    "np.abs((np.asarray(data) - np.asarray(policy)).mean(axis=-1))",
                ),
            ),
            {"q1": 1},
        ),
        Wrong("one mean over all", (("np.asarray(policy)).mean(axis=-1)", "np.asarray(policy)).mean()"),), {"q1": 2}),
        Wrong("priorities grow", (("np.exp(-((steepness", "1 - np.exp(-((steepness"),), {"q2": 3, "q5": 1}),
        Wrong(
            "no floor",
            (
                (
                    "np.clip(np.exp(-((steepness * np.asarray(d)) ** 2)), floor, 1.0)",
                    "np.exp(-((steepness * np.asarray(d)) ** 2))",
                ),
            ),
            {"q2": 1, "q5": 1},
        ),
        Wrong(
            "steepness outside the square",
            (("(steepness * np.asarray(d)) ** 2", "steepness * np.asarray(d) ** 2"),),
            {"q2": 1, "q5": 1},
        ),
        Wrong(
            "not squared",
            (("-((steepness * np.asarray(d)) ** 2)", "-(steepness * np.asarray(d))"),),
            {"q2": 1, "q5": 1},
        ),
        Wrong("unseeded sampling", (("return rng.choice(", "return np.random.default_rng().choice("),), {"q3": 1}),
        Wrong("always the same batch", (("return rng.choice(", "return np.random.default_rng(0).choice("),), {"q3": 1}),
        Wrong(
            "without replacement", (("size=size, p=", "size=min(size, len(weights)), replace=False, p="),), {"q3": 2}
        ),
        Wrong("exponent left out", (("dtype=float) ** exponent", "dtype=float)"),), {"q3": 1}),
        Wrong("uniform sampling", (("size=size, p=weights / weights.sum()", "size=size"),), {"q3": 2}),
        Wrong(
            "importance-corrected weights",
            (
                (
                    "(5 * a_y - 2 * x - 8 * x * a_y**2).mean()",
                    "np.average(5 * a_y - 2 * x - 8 * x * a_y**2, weights=w)",
                ),
                (
                    "(5 * a_x - 2 * y - 8 * a_x**2 * y).mean()",
                    "np.average(5 * a_x - 2 * y - 8 * a_x**2 * y, weights=w)",
                ),
                (
                    "(x, y), (a_x, a_y) = policy, np.asarray(batch).T",
                    "w = 1 / priorities(distances(batch, policy), 4.0, 1e-4)\n"
                    "    (x, y), (a_x, a_y) = policy, np.asarray(batch).T",
                ),
            ),
            {"q4": 2},
        ),
        Wrong("sign error", (("return np.array([(5 * a_y", "return -np.array([(5 * a_y"),), {"q4": 2}),
        Wrong(
            "replayed own action",
            (("(5 * a_y - 2 * x - 8 * x * a_y**2)", "(5 * a_y - 2 * a_x - 8 * a_x * a_y**2)"),),
            {"q4": 2},
        ),
        Wrong(
            "sum of squares on top",
            (("rho.sum() ** 2 / (rho**2).sum()", "(rho**2).sum() / rho.sum() ** 2"),),
            {"q5": 3},
        ),
        Wrong("squares forgotten", (("rho.sum() ** 2 / (rho**2).sum()", "rho.sum() / rho.max()"),), {"q5": 2}),
        Wrong("bisection the wrong way", (("middle, floor)) > wanted:", "middle, floor)) < wanted:"),), {"q5": 1}),
        Wrong("any of two steepnesses", (("low, high = 0.0, 0.1", "low, high = 0.0, 100.0"),), {"q5": 1}),
        # Right in every respect, but found from the right.
        Wrong(
            "larger of two steepnesses",
            (
                (
                    "    return high\n",
                    "    scan = np.geomspace(100, 0.01, 20_000)\n"
                    "    above = [effective_size(priorities(d, alpha, floor)) > wanted for alpha in scan]\n"
                    "    return scan[above.index(not above[0])]\n",
                ),
            ),
            {"q5": 1},
        ),
    ],
    "04-scale-it": [
        Wrong(
            "sum instead of mean",
            (("np.asarray(chosen)).mean(axis=(1, 2))", "np.asarray(chosen)).sum(axis=(1, 2))"),),
            {"q1": 1, "q4": 2},
        ),
        Wrong(
            "one agent alone",
            (("np.asarray(chosen)).mean(axis=(1, 2))", "np.asarray(chosen))[:, 0].mean(axis=1)"),),
            {"q1": 1, "q4": 2},
        ),
        Wrong(
            "others forgotten",
            (("fresh = np.array(weights, dtype=float)", "fresh = np.ones(len(weights))"),),
            {"q2": 1, "q4": 2},
        ),
        Wrong(
            "no floor",
            (
                (
                    "np.clip(np.exp(-((steepness * np.asarray(d)) ** 2)), floor, 1.0)",
                    "np.exp(-((steepness * np.asarray(d)) ** 2))",
                ),
            ),
            {"q2": 1, "q4": 2},
        ),
        Wrong("exponent left out", (("floor, 1.0) ** exponent", "floor, 1.0)"),), {"q2": 1, "q4": 2}),
        Wrong(
            "priorities grow", (("np.clip(np.exp(-((steepness", "np.clip(1 - np.exp(-((steepness"),), {"q2": 2, "q4": 4}
        ),
        Wrong(
            "unseeded sampling",
            (("return rng.choice(len(weights)", "return np.random.default_rng().choice(len(weights)"),),
            {"q3": 1, "q4": 2},
        ),
        Wrong(
            "always the same batches",
            (("return rng.choice(len(weights)", "return np.random.default_rng(0).choice(len(weights)"),),
            {"q3": 1},
        ),
        Wrong(
            "uniform sampling",
            (("size=(updates, size), p=weights / weights.sum())", "size=(updates, size))"),),
            {"q3": 1, "q4": 1},
        ),
        Wrong("never scored again", (("        weights = scored(weights, turn)\n", ""),), {"q4": 2}),
        Wrong("refresh ignored", (("scored(weights, turn)", "scored(weights, np.arange(count))"),), {"q4": 1}),
        Wrong("always the first rows", (("block * refresh + np.arange", "np.arange"),), {"q4": 1}),
        Wrong(
            "not paired",
            (
                (
                    "means = rng.choice(differences, size=(10_000, len(differences))).mean(axis=1)",
                    "count = (10_000, len(differences))\n"
                    "    means = rng.choice(scores, size=count).mean(axis=1)\n"
                    "    means = means - rng.choice(baseline, size=count).mean(axis=1)",
                ),
            ),
            {"q5": 3},
        ),
        Wrong(
            "spread of the seeds, not of their mean",
            (("len(differences))).mean(axis=1)", "len(differences)))"),),
            {"q5": 2},
        ),
        Wrong("80 % interval", (("[2.5, 97.5]", "[10, 90]"),), {"q5": 2}),
        Wrong("verdict by the larger end", (("if low > 0:", "if low + high > 0:"),), {"q5": 1}),
    ],
}
