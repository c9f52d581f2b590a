"""A short film of a team, for a page, as in chapter 9.

Without a display, set the environment variable `MUJOCO_GL` to `egl` (needs libegl1) or `osmesa` (needs libosmesa6).
"""

import json
import os
from pathlib import Path

import mujoco
import numpy as np

from pjap.files import require_writable, write_atomically
from pjap.mamujoco.behaviour import act
from pjap.mamujoco.dataset import load_source
from pjap.mamujoco.environment import Environment


def film_team(source: str, path: Path, frames: int, seed: int, width: int, height: int, command: str) -> float:
    """Film the beginning of an episode without action noise, in real time, as H.264; and write its provenance beside.

    Args:
        source: a team or crossed teams, see `dataset.MixtureSettings`.
        path: the `.mp4`; the provenance goes to the `.json` of the same name.
        frames: one for each environment step.
        seed: of the reset state.
        width: in pixels.
        height: in pixels.
        command: how this was started, for the record.

    Returns:
        The return over the filmed steps.

    Raises:
        ValueError: if there is no such team, the source names several that take turns, or `frames` is below 1.
        OSError: if the folder cannot be written to, or nothing can be rendered here.
    """
    import imageio_ffmpeg

    if frames < 1:
        raise ValueError(f"frames must be at least 1, got {frames}")
    require_writable(path.parent)
    scenario, teams = load_source(source)
    if len(teams) > 1:
        raise ValueError(f"source {source!r} has teams that take turns: film one of them")
    environment = Environment(scenario, 1, seed, threads=1)
    try:
        renderer = mujoco.Renderer(environment.model, height, width)
    except Exception as error:  # which one depends on MuJoCo's rendering backend
        raise OSError(
            f"cannot render here ({error}): without a display, set MUJOCO_GL=egl or MUJOCO_GL=osmesa"
        ) from error
    partial = path.with_name(f".{os.getpid()}.{path.name}")
    writer = imageio_ffmpeg.write_frames(
        str(partial),
        (width, height),
        fps=round(1 / environment.step_seconds),
        codec="libx264",
        output_params=["-crf", "30", "-preset", "veryslow", "-movflags", "+faststart"],
    )
    total = 0.0
    try:
        writer.send(None)
        for _ in range(frames):
            rewards, _, _ = environment.step(act(teams[0], environment.observations.astype(np.float32)))
            total += float(rewards[0])
            renderer.update_scene(environment.data[0], camera="track")
            writer.send(renderer.render())
        writer.close()
        partial.replace(path)
    finally:
        writer.close()
        renderer.close()
        partial.unlink(missing_ok=True)
    about = {
        "source": source,
        "scenario": scenario,
        "command": command,
        "seed": seed,
        "frames": frames,
        "seconds": frames * environment.step_seconds,
        "return_over_the_film": round(total, 1),
        "mujoco": mujoco.__version__,
    }
    write_atomically(path.with_suffix(".json"), (json.dumps(about, indent=1) + "\n").encode())
    return total
