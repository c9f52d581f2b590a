"""Pictures of games, datasets and learning. Everything drawn here was computed elsewhere.

Needs Matplotlib (`pip install pjap[figures]`), so that it is imported by name: ``from pjap.games import figures``.
One colour for each update throughout the book, from the palette of Okabe and Ito, which survives colour blindness.
"""

import base64
import io
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.animation import FFMpegWriter, FuncAnimation
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from pjap.games._checks import Floats
from pjap.games.learning import History
from pjap.games.polynomial import PolynomialGame

__all__ = [
    "COLOURS",
    "Video",
    "arrow",
    "curves",
    "dataset",
    "flow",
    "policy",
    "reward_surface",
    "trajectory",
    "use_book_style",
    "video",
]

COLOURS = {
    "true": "#1b1b1b",
    "brud": "#d55e00",
    "pjap": "#0072b2",
    "data": "#5f6b7a",
    "policy": "#1b1b1b",
    "maximum": "#007a55",
    "first": "#cc79a7",
    "second": "#56b4e9",
}
"""One colour for each thing that the book draws: the three updates, the data, the policy, maxima, players X and Y."""

_REWARD = LinearSegmentedColormap.from_list("reward", ["#98a6bd", "#dfe4ec", "#fbf7ea", "#ffe9a8", "#ffd166"])


def use_book_style() -> None:
    """Set Matplotlib's defaults to the book's: size, fonts, quiet axes, and in a notebook pixels for dense screens.

    Example:
        >>> use_book_style()
        >>> plt.rcParams["axes.spines.top"]
        False
    """
    plt.rcParams.update(
        {
            "figure.figsize": (7.0, 3.6),
            "figure.dpi": 100,
            "savefig.dpi": 160,
            "figure.constrained_layout.use": True,
            "font.size": 12,
            "axes.titlesize": 12,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "legend.frameon": False,
            "lines.linewidth": 2.0,
        }
    )
    if "IPython" in sys.modules and sys.modules["IPython"].get_ipython() is not None:
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("retina")  # type: ignore[no-untyped-call, unused-ignore]


def reward_surface(axes: Axes, game: PolynomialGame, *, levels: int = 13, other_actions: ArrayLike = ()) -> Any:
    """Draw a game's reward over its first two players' actions, as filled contours.

    The contours part the square into bands of equal area: evenly spaced rewards would hide twin peaks' peaks, which
    are low beside the depth of its worst corners.

    Args:
        axes: Where to draw.
        game: Of two players, or of more with the rest of the actions given.
        levels: How many contours.
        other_actions: ``(n - 2,)``, the actions of players 3 to n.

    Returns:
        The contour set, for a colour bar.

    Example:
        >>> from pjap.games import twin_peaks
        >>> _ = reward_surface(plt.figure().gca(), twin_peaks())
    """
    side = np.linspace(-1, 1, 101)
    first, second = np.meshgrid(side, side)
    others = [np.full_like(first, action) for action in np.asarray(other_actions, dtype=float)]
    reward = game.reward(np.stack([first, second, *others], axis=-1))
    bounds = np.unique(np.quantile(reward, np.linspace(0, 1, levels + 1)).round(9))
    norm = BoundaryNorm(bounds, _REWARD.N) if len(bounds) > 2 else None
    contours = axes.contourf(side, side, reward, levels=bounds if norm else levels, cmap=_REWARD, norm=norm)
    axes.contour(side, side, reward, levels=contours.levels, colors="#7c879a", linewidths=0.5)
    axes.set(xlabel="action of X", ylabel="action of Y", xlim=(-1, 1), ylim=(-1, 1), aspect="equal")
    axes.set(xticks=[-1, 0, 1], yticks=[-1, 0, 1])
    return contours


def dataset(axes: Axes, joint_actions: ArrayLike, weights: ArrayLike | None = None, **style: Any) -> None:
    """Draw recorded joint actions as points; the heavier a point's weight, the more solid it is.

    Args:
        axes: Where to draw.
        joint_actions: ``(m, 2)``.
        weights: ``(m,)``, at least 0, compared with the largest of them; equal when left out.
        **style: Passed to `matplotlib.axes.Axes.scatter`.

    Example:
        >>> dataset(plt.figure().gca(), [[0.8, -0.8]])
    """
    joint_actions = np.asarray(joint_actions, dtype=float)
    opacity = 0.45 if weights is None else 0.06 + 0.84 * np.asarray(weights) / np.max(weights)
    defaults: dict[str, Any] = {"s": 16, "color": COLOURS["data"], "alpha": opacity, "linewidths": 0, "zorder": 3}
    axes.scatter(joint_actions[:, 0], joint_actions[:, 1], **(defaults | style))


def policy(axes: Axes, joint_action: ArrayLike, *, label: str | None = None, **style: Any) -> None:
    """Draw a joint policy as a ringed dot.

    Args:
        axes: Where to draw.
        joint_action: ``(2,)``.
        label: For the legend.
        **style: Passed to `matplotlib.axes.Axes.plot`.

    Example:
        >>> policy(plt.figure().gca(), [0.5, 0.5], label="joint policy")
    """
    first, second = np.asarray(joint_action, dtype=float)
    defaults: dict[str, Any] = {"color": COLOURS["policy"], "markersize": 9, "markeredgecolor": "white", "zorder": 6}
    axes.plot([first], [second], "o", label=label, **(defaults | style))


def arrow(axes: Axes, start: ArrayLike, step: ArrayLike, colour: str, label: str | None = None) -> None:
    """Draw an update as an arrow.

    Args:
        axes: Where to draw.
        start: ``(2,)``, its foot.
        step: ``(2,)``, from foot to head.
        colour: Of `COLOURS`, or any of Matplotlib's.
        label: For the legend.

    Example:
        >>> arrow(plt.figure().gca(), [0, 0], [0.5, 0.5], COLOURS["brud"], "BRUD")
    """
    (x, y), (dx, dy) = np.asarray(start, dtype=float), np.asarray(step, dtype=float)
    scale: dict[str, Any] = {"angles": "xy", "scale_units": "xy", "scale": 1.0, "width": 0.012, "zorder": 5}
    axes.quiver([x], [y], [dx], [dy], facecolor=colour, edgecolor="white", linewidth=0.7, label=label, **scale)


def trajectory(axes: Axes, history: History, *, colour: str, label: str | None = None, **style: Any) -> None:
    """Draw the path of a joint policy, or of a batch of them, with a dot where each ends.

    Args:
        axes: Where to draw.
        history: Of a game of two players.
        colour: Of `COLOURS`, or any of Matplotlib's.
        label: For the legend.
        **style: Passed to `matplotlib.axes.Axes.plot`.

    Example:
        >>> from pjap.games import learn, sign_agreement
        >>> history = learn(sign_agreement(), None, [0.1, 0.2], update="true")
        >>> trajectory(plt.figure().gca(), history, colour=COLOURS["true"])
    """
    paths = history.policies.reshape(len(history.policies), -1, 2)
    for i in range(paths.shape[1]):
        line = {"color": colour, "label": label if i == 0 else None, "zorder": 4, "solid_capstyle": "round"}
        axes.plot(paths[:, i, 0], paths[:, i, 1], **(line | style))
    axes.scatter(paths[-1, :, 0], paths[-1, :, 1], color=colour, s=22, zorder=5)


def flow(axes: Axes, starts: Floats, gradients: Floats, *, colour: str) -> None:
    """Draw a field of update directions, arrows of one length: a phase portrait.

    Args:
        axes: Where to draw.
        starts: ``(b, 2)``.
        gradients: ``(b, 2)``.
        colour: Of `COLOURS`, or any of Matplotlib's.

    Example:
        >>> flow(plt.figure().gca(), np.zeros((1, 2)), np.ones((1, 2)), colour=COLOURS["true"])
    """
    length = np.linalg.norm(gradients, axis=1, keepdims=True)
    direction = np.divide(gradients, length, out=np.zeros_like(gradients), where=length > 1e-9)
    axes.quiver(*starts.T, *direction.T, color=colour, pivot="mid", scale=24, width=0.005, zorder=4)


def curves(axes: Axes, values: dict[str, Floats], *, xlabel: str, ylabel: str) -> None:
    """Draw a line for each update against the step, with the band from the 5th to the 95th percentile of a batch.

    Args:
        axes: Where to draw.
        values: For each name, ``(T,)`` or ``(T, b)``; names of `COLOURS` get their colour.
        xlabel: What the steps are.
        ylabel: What the values are.

    Example:
        >>> curves(plt.figure().gca(), {"brud": np.zeros(5)}, xlabel="step", ylabel="reward")
    """
    names = {"true": "true gradient", "brud": "BRUD", "pjap": "PJAP"}
    for name, series in values.items():
        batch = series.reshape(len(series), -1)
        colour = COLOURS.get(name)
        axes.plot(np.median(batch, axis=1), color=colour, label=names.get(name, name))
        if batch.shape[1] > 1:
            low, high = np.percentile(batch, [5, 95], axis=1)
            axes.fill_between(np.arange(len(batch)), low, high, color=colour, alpha=0.18, linewidth=0)
    axes.set(xlabel=xlabel, ylabel=ylabel)


@dataclass(frozen=True)
class Video:
    """A short film that the reader starts and pauses; shows itself in a notebook.

    Attributes:
        mp4: The film; empty where none can be made, in a browser: then the poster is shown alone.
        description: What it shows, in words, for those who do not see it.
        poster: A picture to show until it starts, PNG.

    Example:
        >>> Video(b"film", "nothing moves", poster=b"")._repr_html_()[:17]
        '<video class="pja'
    """

    mp4: bytes = field(repr=False)  # a notebook stores the repr beside the film: keep it short
    description: str
    poster: bytes = field(repr=False)

    def _repr_html_(self) -> str:
        film, poster = (base64.b64encode(content).decode() for content in (self.mp4, self.poster))
        description = escape(self.description, quote=True)
        if not film:
            return (
                f'<figure><img class="pjap-video" alt="{description}" src="data:image/png;base64,{poster}">'
                "<figcaption>The first picture of a film, which cannot be made here.</figcaption></figure>"
            )
        return (
            '<video class="pjap-video" controls playsinline preload="metadata" '
            f'aria-label="{description}" poster="data:image/png;base64,{poster}" '
            f'src="data:video/mp4;base64,{film}"></video>'
        )


def video(figure: Figure, draw_frame: Callable[[int], Any], frames: int, *, description: str, rate: int = 12) -> Video:
    """Film a figure, one call of ``draw_frame`` a frame. Needs imageio-ffmpeg; in a browser, only frame 0 is drawn.

    Args:
        figure: What to film; closed afterwards, so that it does not appear a second time.
        draw_frame: Draws frame 0 to ``frames - 1`` on the figure.
        frames: At least 1.
        description: What the film shows, in words.
        rate: Frames a second.

    Returns:
        The film: H.264, one to a few hundred kilobytes.

    Example:
        >>> figure, axes = plt.subplots(figsize=(2, 2))
        >>> film = video(figure, lambda frame: axes.plot([frame], [0], "o"), 2, description="a dot moves right")
        >>> film.mp4[4:8]
        b'ftyp'
    """
    # Python in a browser starts no other program, hence no encoder: the poster stands alone.
    film = b"" if sys.platform == "emscripten" else _encode(figure, draw_frame, frames, rate)
    draw_frame(0)
    poster = io.BytesIO()
    figure.savefig(poster, format="png", dpi=110)
    plt.close(figure)
    return Video(film, description, poster.getvalue())


def _encode(figure: Figure, draw_frame: Callable[[int], Any], frames: int, rate: int) -> bytes:
    """The frames as H.264 in an mp4 file."""
    import imageio_ffmpeg

    animation = FuncAnimation(figure, draw_frame, frames=frames, init_func=lambda: [])
    path = imageio_ffmpeg.get_ffmpeg_exe()
    with tempfile.TemporaryDirectory() as folder, mpl.rc_context({"animation.ffmpeg_path": path}):
        # The pixel format every browser plays wants even sides, which the filter makes.
        options = [
            "-crf",
            "26",
            "-pix_fmt",
            "yuv420p",
            "-vf",
            "pad=ceil(iw/2)*2:ceil(ih/2)*2",
            "-movflags",
            "faststart",
        ]
        target = Path(folder) / "film.mp4"
        animation.save(target, writer=FFMpegWriter(fps=rate, codec="h264", extra_args=options), dpi=110)
        return target.read_bytes()
