// The datasets of the figures: for each a name, its rows and the Python that makes the same rows.

import { evenGrid } from "./mathematics.js";
import { DATASETS } from "./presets.js";

const PEAK = Math.sqrt(3 / 8);
const NOISE = "peak = np.full(2, np.sqrt(3 / 8))\nnoise = datasets.gaussian([0, 0], 1, 250, seed=0).round(3)\n";

function noise() {
  const bytes = Uint8Array.from(atob(DATASETS.noise.rows), (letter) => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const at = (place) => view.getInt16(2 * place, true) / 1000;
  return Array.from({ length: bytes.length / 4 }, (_, row) => [at(2 * row), at(2 * row + 1)]);
}

const around = (peak, spread, rows) => rows.map(([x, y]) => [peak + spread * x, peak + spread * y]);

const onePeak = (spread) => ({
  name: `one peak, spread ${spread}`,
  python: `${NOISE}data = peak + ${spread} * noise`,
  rows: () => around(PEAK, spread, noise()),
});

const twoTeams = {
  name: "two good teams, one on each peak",
  python: `${NOISE}data = np.concatenate([peak + 0.3 * noise, -peak + 0.3 * noise[:, ::-1]])`,
  rows: () => [...around(PEAK, 0.3, noise()), ...around(-PEAK, 0.3, noise().map(([x, y]) => [y, x]))],
};

/** A recording and its mirror image in the falling diagonal: a dataset that leans nowhere. */
const mirrored = {
  name: "one peak and its mirror image",
  python: `${NOISE}half = peak + 0.5 * noise\ndata = np.concatenate([half, -half[:, ::-1]])`,
  rows: () => {
    const half = around(PEAK, 0.5, noise());
    return [...half, ...half.map(([x, y]) => [-y, -x])];
  },
};

const even = (side) => ({
  name: `uniform, ${side} × ${side} points`,
  python: `centres = (np.arange(${side}) + 0.5) / ${side} * 2 - 1\ndata = np.stack(np.meshgrid(centres, centres), axis=-1).reshape(-1, 2)`,
  rows: () => evenGrid(side),
});

/** By name in the URL. `rows()` makes them anew. */
export const SOURCES = {
  "two-teams": twoTeams,
  "spread-0.2": onePeak(0.2),
  "spread-0.5": onePeak(0.5),
  "spread-1": onePeak(1),
  mirrored,
  "uniform-20": even(20),
  "uniform-32": even(32),
};

/** From each name in the URL to the name for readers. */
export function namesOf(offered) {
  return Object.fromEntries(Object.entries(offered).map(([key, { name, title }]) => [key, name ?? title]));
}
