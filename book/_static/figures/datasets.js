// The datasets of the figures: for each a name, its rows and the Python that makes the same rows.

import { evenGrid } from "./mathematics.js";
import { DATASETS } from "./presets.js";

function decode(base64) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const at = (place) => view.getInt16(2 * place, true) / 1000;
  return Array.from({ length: bytes.length / 4 }, (_, row) => [at(2 * row), at(2 * row + 1)]);
}

function even(side) {
  return {
    name: `uniform: ${side} × ${side} points`,
    python: `centres = (np.arange(${side}) + 0.5) / ${side} * 2 - 1\ndata = np.stack(np.meshgrid(centres, centres), axis=-1).reshape(-1, 2)`,
    rows: () => evenGrid(side),
  };
}

const generated = Object.fromEntries(
  Object.entries(DATASETS).map(([key, { name, python, rows }]) => [key, { name, python, rows: () => decode(rows) }]),
);

/** Half of the points around a peak, and their mirror images in the falling diagonal: a dataset that leans nowhere. */
const mirrored = {
  name: "one peak and its mirror image",
  python: `peak = np.full(2, np.sqrt(3 / 8))\nhalf = datasets.gaussian(peak, 0.5**2, 250, seed=0).round(3)\ndata = np.concatenate([half, -half[:, ::-1]])`,
  rows: () => {
    const half = generated["spread-0.5"].rows().slice(0, 250);
    return [...half, ...half.map(([x, y]) => [-y, -x])];
  },
};

/** By name in the URL. `rows()` makes them anew. */
export const SOURCES = { ...generated, mirrored, "uniform-20": even(20), "uniform-32": even(32) };
