"""Drawing: the examples in the docstrings draw; here, what must not be drawn wrongly."""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest

from pjap.games import PolynomialGame, figures, learn, sign_agreement, three_way_agreement, twin_peaks


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def test_a_points_opacity_is_its_share_of_the_largest_weight():
    axes = plt.figure().gca()
    figures.dataset(axes, [[0, 0], [1, 1], [0.5, 0]], weights=[0.5, 1.0, 0.0])
    opacity = axes.collections[0].get_facecolors()[:, 3]
    assert opacity[1] > opacity[0] > opacity[2] > 0


def test_a_trajectory_ends_where_learning_ended():
    history = learn(sign_agreement(), [[0.8, -0.8]], [[0.1, 0.2], [0.3, 0.4]], update="brud", steps=7)
    axes = plt.figure().gca()
    figures.trajectory(axes, history, colour=figures.COLOURS["brud"], label="BRUD")
    np.testing.assert_allclose(axes.collections[0].get_offsets(), history.policies[-1])
    assert [line.get_label() for line in axes.lines].count("BRUD") == 1


def test_a_flow_arrow_has_one_length_and_none_at_rest():
    axes = plt.figure().gca()
    figures.flow(axes, np.zeros((2, 2)), np.array([[3.0, 4.0], [0.0, 0.0]]), colour="black")
    quiver = axes.collections[0]
    np.testing.assert_allclose(np.hypot(quiver.U, quiver.V), [1, 0])


def test_curves_show_the_median_and_the_band_of_a_batch():
    axes = plt.figure().gca()
    figures.curves(axes, {"pjap": np.array([[0.0, 1.0, 5.0], [1.0, 2.0, 6.0]])}, xlabel="step", ylabel="reward")
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [1, 2])
    assert axes.lines[0].get_label() == "PJAP"
    assert len(axes.collections) == 1


def test_a_surface_of_three_players_needs_the_third_action():
    figures.reward_surface(plt.figure().gca(), three_way_agreement(), other_actions=[1.0])
    with pytest.raises(ValueError, match="expected"):
        figures.reward_surface(plt.figure().gca(), three_way_agreement())
    figures.reward_surface(plt.figure().gca(), twin_peaks())


def test_a_film_says_what_it_shows_and_waits_for_the_reader():
    html = figures.Video(b"film", 'a "dot" moves', b"picture")._repr_html_()
    assert 'aria-label="a &quot;dot&quot; moves"' in html
    assert "controls" in html
    assert "autoplay" not in html
    assert len(repr(figures.Video(bytes(10**6), "x", bytes(10**6)))) < 100


def test_in_a_browser_a_film_is_its_first_picture(monkeypatch):
    monkeypatch.setattr(sys, "platform", "emscripten")
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)  # importing it fails
    figure, axes = plt.subplots(figsize=(2, 2))
    drawn = []
    film = figures.video(
        figure, lambda frame: drawn.append(axes.plot([frame], [0])), 3, description='a "dot" moves right'
    )
    assert len(drawn) == 1
    assert not plt.fignum_exists(figure.number), "else it would appear a second time"
    html = film._repr_html_()
    assert "<video" not in html
    assert '<img class="pjap-video" alt="a &quot;dot&quot; moves right" src="data:image/png;base64,iVBOR' in html
    assert "first picture" in html


def test_the_surface_shows_the_peaks_of_twin_peaks():
    """Some band of the contours holds the two peaks apart from each other."""
    contours = figures.reward_surface(plt.figure().gca(), twin_peaks())
    assert sum(0 < level < 9 / 16 for level in contours.levels) >= 2
    flat = figures.reward_surface(plt.figure().gca(), PolynomialGame(np.ones((1, 1))))
    assert flat.get_paths()
