// Figure 3, "The landscape of failure": portraits and basins of the true gradient, BRUD and PJAP as steepness rises.

import { namesOf, SOURCES } from "./datasets.js";
import { GAMES, gamePython, pythonList } from "./games.js";
import {
  bestJointActions,
  criticalSteepness,
  destination,
  leadingEigenvalue,
  learn,
  pjapGradient,
  reward,
  updateOf,
} from "./mathematics.js";
import {
  clamp,
  createBoard,
  createChoice,
  createDots,
  createHandle,
  createLiveRegion,
  createLogSlider,
  createPicture,
  createShare,
  createTrail,
  drawRings,
  exact,
  format,
  formatPoint,
  html,
  lineSwatch,
  linkState,
  onNextFrame,
  parsePoint,
  svg,
  toScreen,
  write,
} from "./ui.js";

const UPDATES = { pjap: "PJAP", true: "true gradient", brud: "BRUD" };
const LEARNING = { steps: 150, stepSize: 0.1 };
const [ACROSS, UP] = [20, 24]; // starts of a portrait; unequal, so that none is on the falling diagonal, a knife's edge
const STRIDES = [4, 2, 1]; // every fourth start first, then every second, then all
const NEAR = 0.05; // a start succeeds if its end's reward is this near to the best one
const [SLOWEST, STEEPEST] = [0.25, 32];
const BEGINS = [[-0.9, 0.5], [-0.5, 0.9], [0.9, -0.5], [0.5, -0.9], [0.9, 0.9], [-0.9, -0.9]]; // as in chapter 6
const ORIGIN = [0, 0];

const axis = (count) => Array.from({ length: count }, (_, i) => (2 * i) / (count - 1) - 1);
const STEEPNESSES = [0, ...axis(41).map((place) => SLOWEST * (STEEPEST / SLOWEST) ** ((place + 1) / 2))];

/** Blocks of stride x stride cells that fill the square: the corners of each, and the start that stands for it. */
function blocks(stride) {
  const along = (count) =>
    Array.from({ length: count / stride }, (_, i) => {
      const place = (cells) => (cells / count) * 2 - 1;
      return { low: place(i * stride), high: place((i + 1) * stride), start: place(i * stride + Math.floor(stride / 2) + 0.5) };
    });
  return along(UP).flatMap((y) => along(ACROSS).map((x) => ({ x, y, start: [x.start, y.start] })));
}

/** Where each start ends, on finer and finer grids: yields after every start, with { stride, ends } when a grid is done. */
export function* portrait(update, game, data, steepness) {
  const known = {};
  for (const stride of STRIDES) {
    for (const { start } of blocks(stride)) {
      if (start in known) continue;
      known[start] = destination(game, data, start, { update, steepness, ...LEARNING });
      yield;
    }
    yield { stride, ends: blocks(stride).map(({ start }) => known[start]) };
  }
}

/** Where a few teams end at each of many steepnesses. */
function* ladder(game, data) {
  const rungs = [];
  for (const steepness of STEEPNESSES) {
    for (const start of BEGINS) {
      rungs.push([steepness, destination(game, data, start, { update: "pjap", steepness, ...LEARNING })]);
      yield;
    }
  }
  yield rungs;
}

/** The critical steepness of the origin, if the origin is a resting point of PJAP on this data; else null. */
function criticalAt(game, data) {
  const drifts = [1, 4, 16].flatMap((steepness) => pjapGradient(game, ORIGIN, data, { steepness }).map(Math.abs));
  return Math.max(...drifts) < 1e-9 ? criticalSteepness(game, ORIGIN, data, { most: STEEPEST }) : null;
}

/**
 * Does long work a few milliseconds at a time, in order, so that the page stays alive.
 * `run` hands what a generator yields, if anything, to `onResult`; it replaces work of the same name.
 */
function createQueue(onIdle) {
  const jobs = new Map();
  const turn = () => {
    const until = performance.now() + 6;
    while (jobs.size && performance.now() < until) {
      const [name, { work, onResult }] = jobs.entries().next().value;
      const { value, done } = work.next();
      if (value || done) jobs.delete(name);
      if (value) {
        jobs.set(name, { work, onResult }); // at the end: the others' first results come before its next
        onResult(value);
      }
    }
    if (jobs.size) setTimeout(turn);
    else onIdle();
  };
  const run = (name, work, onResult) => {
    if (!jobs.size) setTimeout(turn);
    jobs.set(name, { work, onResult });
  };
  return { run };
}

export default function landscape(root) {
  const state = {
    game: "twin-peaks",
    data: root.dataset.dataset in SOURCES ? root.dataset.dataset : "uniform-20",
    start: parsePoint(root.dataset.start) ?? [-0.5, 0.7],
    steepness: 0,
  };
  const defaults = { ...state };
  let game = null;
  let data = [];
  let best = 0;
  let critical = null;
  let eigenvalue = null; // of the origin, where that is at rest
  let shares = {};
  let asked = false; // words answer what the reader does, not a page that opens or a portrait that is done
  let underWay = null; // the steepness of a coarse portrait that is not done yet: a steady drag must not start it anew

  const queue = createQueue(() => (root.dataset.settled = ""));
  const say = createLiveRegion(root);
  const controls = html("div", { class: "pjap-settings" });
  const gameChoice = createChoice(controls, { label: "Game", options: namesOf(GAMES), onChange: (game) => choose({ game }) });
  const dataChoice = createChoice(controls, { label: "Data", options: namesOf(SOURCES), onChange: (data) => choose({ data }) });
  const headline = html("p", { class: "pjap-headline" });
  const portraits = html("div", { class: "pjap-portraits" });
  const panels = Object.fromEntries(Object.keys(UPDATES).map((name) => [name, createPortrait(portraits, name, moveStart)]));
  const handle = createHandle(panels.pjap.board, { label: "Start of the paths", colour: "policy", onMove: moveStart });
  const ladderBox = html("div", { class: "pjap-ladder" });
  panels.pjap.element.after(ladderBox);
  const slider = createLogSlider(ladderBox, {
    label: "Steepness",
    min: SLOWEST,
    max: STEEPEST,
    zero: true,
    onInput: (steepness) => choose({ steepness }),
  });
  const fork = createFork(ladderBox);
  const readout = createReadout();
  const foot = html("div");
  root.append(controls, headline, portraits, readout.element, foot, caption());
  const share = createShare(foot, {
    python: () => python(state, critical !== null),
    link: () => address.link(toEntries(state)),
    onReset: () => choose(defaults),
    say,
  });
  const redraw = onNextFrame(drawPaths);
  const address = linkState(root.dataset.name, restore);
  showData();

  function choose(change) {
    const fresh = (change.game ?? state.game) !== state.game || (change.data ?? state.data) !== state.data;
    Object.assign(state, change);
    if (fresh) showData();
    else showSteepness();
    settled();
  }

  function settled() {
    asked = true;
    address.write(toEntries(state));
    share();
  }

  /** Everything anew: another game or another dataset. */
  function showData() {
    game = GAMES[state.game];
    data = SOURCES[state.data].rows();
    const peaks = bestJointActions(game);
    best = reward(game, peaks[0]);
    critical = criticalAt(game, data);
    shares = {};
    underWay = null;
    fork.set([], critical, peaks);
    for (const panel of Object.values(panels)) panel.place(data, peaks);
    showSteepness();
    for (const name of ["true", "brud"]) portray(name);
    queue.run("ladder", ladder(game, data), (rungs) => fork.set(rungs, critical, peaks));
  }

  function showSteepness() {
    delete root.dataset.settled;
    eigenvalue = critical === null ? null : leadingEigenvalue(game, ORIGIN, data, { steepness: state.steepness });
    redraw();
    if (underWay === null) portray("pjap");
  }

  function portray(name) {
    const { steepness } = state;
    delete shares[name];
    if (name === "pjap") underWay = steepness;
    const move = updateOf(game, data, name, { steepness });
    panels[name].flow((policy) => move(policy).gradient);
    queue.run(name, portrait(name, game, data, steepness), ({ stride, ends }) => {
      panels[name].tint(blocks(stride), ends);
      if (name === "pjap" && stride === STRIDES[0]) {
        underWay = null;
        if (steepness !== state.steepness) return portray(name);
      }
      if (stride > 1) return;
      shares[name] = ends.filter((end) => reward(game, end) > best - NEAR).length / ends.length;
      drawPaths();
    });
  }

  function drawPaths() {
    const { start, steepness } = state;
    gameChoice.value = state.game;
    dataChoice.value = state.data;
    slider.set(steepness);
    handle.set(start);
    fork.point(steepness);
    panels.pjap.name(steepness === 0 ? "PJAP at steepness 0: BRUD" : `PJAP at steepness ${format(steepness)}`);
    write(headline, verdict(eigenvalue));
    for (const name of Object.keys(UPDATES)) {
      const { policies, rewards } = learn(game, data, start, { update: name, steepness, ...LEARNING });
      const [end, last] = [policies[LEARNING.steps], rewards[LEARNING.steps]];
      panels[name].trail(policies);
      readout.set(name, end, last, shares[name]);
      root.dataset[name] = [...end, last, shares[name] ?? NaN].map(exact).join(",");
    }
    root.dataset.origin = [eigenvalue ?? NaN, critical ?? NaN].map(exact).join(",");
    if (asked) say(`Steepness ${format(steepness)}. ${headline.textContent} ${readout.words()}`);
    asked = false;
  }

  function moveStart(start) {
    state.start = start;
    redraw();
    settled();
  }

  function restore(entries) {
    if (Object.hasOwn(GAMES, entries.game)) state.game = entries.game;
    if (Object.hasOwn(SOURCES, entries.data)) state.data = entries.data;
    state.start = parsePoint(entries.start) ?? state.start;
    const steepness = Number(entries.steepness || NaN);
    if (steepness >= 0 && steepness <= STEEPEST) state.steepness = steepness;
    if (!game) return;
    asked = true;
    showData();
    share();
  }
}

function verdict(eigenvalue) {
  if (eigenvalue === null) return "This dataset leans to one side: the origin is not at rest.";
  if (Math.abs(eigenvalue) < 1e-9) return "At the origin a small push stays as it is.";
  const size = `a small push ${eigenvalue < 0 ? "dies out" : "grows"} at the rate ${format(eigenvalue)}`;
  return eigenvalue < 0 ? `Held at the origin: ${size}.` : `Free to leave the origin: ${size}.`;
}

function toEntries({ game, data, start, steepness }) {
  return { game, data, start: start.map(exact).join(","), steepness: exact(steepness) };
}

function python({ game, data, start, steepness }, resting) {
  const { name, expression } = gamePython(GAMES[game]);
  const origin = `print("leading eigenvalue", leading_eigenvalue(game, [0, 0], data, steepness=${exact(steepness)}))
print("critical steepness", critical_steepness(game, [0, 0], data, most=${STEEPEST}))
`;
  return `import numpy as np

from pjap.games import critical_steepness, datasets, leading_eigenvalue, learn, ${name}

game = ${expression}
${SOURCES[data].python}
start = np.array(${pythonList(start)})
x, y = ((np.arange(count) + 0.5) / count * 2 - 1 for count in (${ACROSS}, ${UP}))
starts = np.stack(np.meshgrid(x, y), axis=-1)
best = game.maxima()[1][0]

for name, update, settings in (("PJAP", "pjap", {"steepness": ${exact(steepness)}}), ("true gradient", "true", {}), ("BRUD", "brud", {})):
    settings |= {"update": update, "steps": ${LEARNING.steps}, "step_size": ${LEARNING.stepSize}}
    path, portrait = learn(game, data, start, **settings), learn(game, data, starts, **settings)
    share = np.mean(portrait.rewards[-1] > best - ${NEAR})
    print(name, [*path.policies[-1].tolist(), float(path.rewards[-1]), float(share)])
${resting ? origin : ""}`;
}

// --------------------------------------------------------------------------------------------------------- the picture

const LEVELS = 9; // of the tint, from "both low" over "they disagree" to "both high"

/** One update's square: tints for where each start ends, arrows, data, resting points, the path from the start. */
function createPortrait(parent, name, onChoose) {
  const heading = html("p", { class: "pjap-name" }, UPDATES[name]);
  const major = name === "pjap";
  const element = html("div", { class: major ? "pjap-major" : "pjap-minor" }, heading);
  parent.append(element);
  const board = createBoard(element, { label: `Phase portrait and basins: ${UPDATES[name]}`, bare: !major });
  const tints = Array.from({ length: LEVELS }, (_, level) => svg("path", { class: "pjap-tint", style: `fill: ${tint(level)}` }));
  const background = svg("g", { class: "pjap-background" });
  const dots = createDots(background);
  const arrows = svg("path", { class: "pjap-flow", style: `stroke: var(--pjap-${name})` });
  const rests = svg("path", { class: "pjap-rests", style: `fill: var(--pjap-${name})` });
  const rings = svg("g");
  board.surface.append(...tints, background);
  board.marks.append(arrows, rings, rests);
  const trail = createTrail(board.marks, name);
  const begin = svg("circle", { class: "pjap-mark", r: 9, style: "color: var(--pjap-policy)" });
  board.marks.append(begin);
  board.svg.addEventListener("click", (event) => {
    if (event.target.closest(".pjap-handle")) return;
    onChoose(board.toGame(event).map((value) => Math.round(value * 100) / 100));
  });
  return {
    element,
    board,
    name: (text) => write(heading, text),
    place: (data, peaks) => {
      dots.place(data.filter(([x, y]) => Math.abs(x) <= 1 && Math.abs(y) <= 1));
      dots.weigh(null);
      drawRings(rings, peaks);
    },
    flow: (gradient) => arrows.setAttribute("d", evenStarts().map((start) => arrow(start, gradient(start))).join("")),
    tint: (cells, ends) => {
      const outlines = tints.map(() => "");
      ends.forEach((end, i) => (outlines[levelOf(end)] += outline(cells[i])));
      tints.forEach((path, level) => path.setAttribute("d", outlines[level]));
      rests.setAttribute("d", restingPoints(ends).map(cross).join(""));
    },
    trail: (policies) => {
      trail.set(policies);
      begin.setAttribute("transform", `translate(${toScreen(policies[0]).join(" ")})`);
    },
  };
}

/** Where arrows stand: between the tints' starts, and none on the edge. */
function evenStarts() {
  const side = axis(12).map((place) => 0.92 * place);
  return side.flatMap((y) => side.map((x) => [x, y]));
}

/** Which tint an end has: by the mean of its two actions. */
function levelOf([x, y]) {
  return Math.round(((clamp((x + y) / 1.2, -1, 1) + 1) / 2) * (LEVELS - 1));
}

function tint(level) {
  const lean = (2 * level) / (LEVELS - 1) - 1;
  return `color-mix(in oklab, var(--pjap-${lean < 0 ? "first" : "second"}) ${Math.round(100 * Math.abs(lean))}%, var(--pjap-neutral))`;
}

/** A block of cells as SVG path data. */
function outline({ x, y }) {
  const [left, bottom] = toScreen([x.low, y.low]).map(short);
  const [right, top] = toScreen([x.high, y.high]).map(short);
  return `M${left} ${bottom}H${right}V${top}H${left}Z`;
}

const short = (value) => value.toFixed(1);

/** An arrow of one length about a start, as SVG path data; nothing where the update vanishes. */
function arrow(start, step) {
  const length = Math.hypot(...step);
  if (length < 1e-9) return "";
  const [x, y] = toScreen(start);
  const [dx, dy] = [(12 * step[0]) / length, (-12 * step[1]) / length];
  const wing = (side) => `${short(x + dx / 3 - (side * dy) / 2)} ${short(y + dy / 3 + (side * dx) / 2)}`;
  const tip = `${short(x + dx)} ${short(y + dy)}`;
  return `M${short(x - dx)} ${short(y - dy)}L${tip}M${wing(1)}L${tip}L${wing(-1)}`;
}

/** Points to which at least a thirtieth of the starts come, each once. */
export function restingPoints(ends) {
  const found = [];
  for (const end of ends) {
    const known = found.find(({ at }) => Math.hypot(at[0] - end[0], at[1] - end[1]) < 0.03);
    if (known) known.count += 1;
    else found.push({ at: end, count: 1 });
  }
  return found.filter(({ count }) => count >= ends.length / 30).map(({ at }) => at);
}

/** A cross, as SVG path data. */
function cross(point) {
  const [x, y] = toScreen(point);
  return `M${short(x)} ${short(y)}m0 4l6 6 4-4-6-6 6-6-4-4-6 6-6-6-4 4 6 6-6 6 4 4Z`;
}

/** Where teams end against steepness, above the slider and on its scale. */
function createFork(parent) {
  const [width, height, edge, low, high] = [600, 160, 9, 128, 8];
  const across = (steepness) => {
    const place = steepness < SLOWEST ? 0 : (1 + 199 * (Math.log(steepness / SLOWEST) / Math.log(STEEPEST / SLOWEST))) / 200;
    return edge + place * (width - 2 * edge);
  };
  const up = ([x, y]) => low + ((x + y + 2) / 4) * (high - low);
  const vertical = (kind) => svg("path", { class: kind, d: `M0 ${high}V${low}` });
  const [peaksAt, limit, cursor, dots] = [svg("path", { class: "pjap-peaks" }), vertical("pjap-limit"), vertical("pjap-cursor-line"), svg("path", { class: "pjap-fork" })];
  const label = svg("text", { class: "pjap-label", style: "fill: var(--pjap-brud)", y: high + 12, "text-anchor": "end" });
  const ticks = [0, 0.5, 1, 2, 4, 8, 16, 32].map((value) =>
    svg("text", { class: "pjap-tick", x: clamp(across(value), 8, width - 10), y: height - 4, "text-anchor": "middle" }, value),
  );
  const picture = createPicture("pjap-plot", [0, 0, width, height], { "aria-hidden": "true" });
  picture.append(svg("path", { class: "pjap-rule", d: `M${edge} ${up(ORIGIN)}H${width - edge}` }), peaksAt, limit, cursor, dots, label, ...ticks);
  const title = html("figcaption", {}, "Where six teams end: the mean of the two actions, against steepness");
  parent.append(html("figure", { class: "pjap-small" }, title, picture));

  const move = (line, steepness) => line.setAttribute("transform", `translate(${across(steepness)} 0)`);
  const set = (rungs, critical, peaks) => {
    dots.setAttribute("d", rungs.map(([steepness, end]) => `M${short(across(steepness))} ${short(up(end))}h0`).join(""));
    peaksAt.setAttribute("d", peaks.map((peak) => `M${edge} ${up(peak)}H${width - edge}`).join(""));
    const known = critical > SLOWEST;
    limit.toggleAttribute("hidden", !known);
    label.textContent = known ? `critical: ${format(critical)}` : "";
    if (!known) return;
    move(limit, critical);
    label.setAttribute("x", across(critical) - 8);
  };
  return { set, point: (steepness) => move(cursor, steepness) };
}

// ------------------------------------------------------------------------------------------------------------- words

function createReadout() {
  const cells = {};
  const rows = Object.entries(UPDATES).map(([name, text]) => {
    cells[name] = ["end", "reward", "share"].map((value) => html("td", { class: "pjap-number", "data-value": `${name}.${value}` }));
    return html("tr", {}, html("th", { scope: "row" }, lineSwatch(name), text), ...cells[name]);
  });
  const heads = ["path ends at", "reward", "starts that succeed"].map((text) => html("th", { scope: "col" }, text));
  const head = html("thead", {}, html("tr", {}, html("td"), ...heads));
  const element = html("table", { class: "pjap-legend pjap-compare" }, head, html("tbody", {}, ...rows));
  const set = (name, end, value, share) => {
    const texts = [formatPoint(end), format(value), share === undefined ? "…" : `${Math.round(100 * share)} %`];
    texts.forEach((text, i) => write(cells[name][i], text));
  };
  const words = () => `From the start, PJAP ends at a reward of ${cells.pjap[1].textContent}, BRUD at ${cells.brud[1].textContent}.`;
  return { element, set, words };
}

function caption() {
  return html(
    "p",
    { class: "pjap-caption" },
    html("strong", {}, "Try it. "),
    "Slide steepness up from 0 and watch the cross at the origin split. ",
    "Click or tap anywhere, or move the start with the arrow keys, for a path. ",
    "Tints say where each start ends: both actions high (blue), both low (pink) or neither (grey). ",
    "Crosses are resting points, green rings the best joint actions, dots the data. ",
    `A start succeeds if it ends within ${NEAR} of the best reward.`,
  );
}
