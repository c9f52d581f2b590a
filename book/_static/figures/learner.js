// Figure 2, "A dataset and a learner": uniform replay (BRUD) and PJAP side by side, on one dataset from one start.

import { namesOf, SOURCES } from "./datasets.js";
import { GAMES, gamePython, pythonList } from "./games.js";
import { bestJointActions, learn, proximalProbabilities, reward } from "./mathematics.js";
import {
  createBoard,
  createChoice,
  createDots,
  createHandle,
  createLiveRegion,
  createLogSlider,
  createPlot,
  createPrediction,
  createRadios,
  createShare,
  createTrail,
  drawContours,
  drawRings,
  exact,
  format,
  formatPoint,
  html,
  lineSwatch,
  linkState,
  onNextFrame,
  parsePoint,
  reducedMotion,
  svg,
  write,
} from "./ui.js";

const STEPS = 100; // the package's default
const LEARNERS = { brud: "uniform (BRUD)", pjap: "PJAP" };
const PLAYERS = { both: "both", x: "X only", y: "Y only" };
const MOVES = { both: "[1, 1]", x: "[1, 0]", y: "[0, 1]" };
const TOOLS = { move: "Move the start", draw: "Draw data", erase: "Erase data" };
const MOST_DRAWN = 300; // the drawing has to fit into a link
const SPACING = 0.07; // between points drawn in one stroke
const ERASER = 0.1;
const STEPS_A_SECOND = 20;

/** Both teams' learning, computed whole before any of it is drawn. */
export function simulate(game, data, { start, steepness, players }) {
  // One step more than is shown: what it would learn from belongs to the last joint policy that is shown.
  const run = (update) => learn(game, data, start, { update, steepness, players, steps: STEPS + 1 });
  return { brud: run("brud"), pjap: run("pjap") };
}

/** How a team's learning ended, where the best reward is known. */
export function outcomeOf({ policies, rewards }, best) {
  const [start, end] = [policies[0], policies[STEPS]];
  if (best - rewards[STEPS] < 0.05) return "optimum";
  return Math.hypot(end[0] - start[0], end[1] - start[1]) < 0.05 ? "stays" : "wrong";
}

export default function learner(root) {
  const state = {
    game: "twin-peaks",
    data: root.dataset.dataset in SOURCES ? root.dataset.dataset : "two-teams",
    drawn: [],
    start: parsePoint(root.dataset.start) ?? [-0.5, 0.5],
    steepness: 4,
    players: "both",
    step: STEPS,
  };
  const defaults = { ...state };
  let tool = "move";
  let data = [];
  let runs = null; // null while there is no data
  let best = 0;
  let playing = null; // the time at which it began, less the steps already shown
  let ready = false;
  let asked = false;
  let closeQuestion = () => {};

  const say = createLiveRegion(root);
  const question = html("div");
  const controls = createControls({
    onGame: (game) => (setGame(game), changed()),
    onData: (name) => (setData(name), changed()),
    onSteepness: (steepness) => ((state.steepness = steepness), changed()),
    onPlayers: (players) => ((state.players = players), changed()),
    onTool: setTool,
    onClear: () => setDrawing([]),
  });
  const pair = html("div", { class: "pjap-pair" });
  const boards = Object.fromEntries(Object.keys(LEARNERS).map((name) => [name, createPanel(pair, name, moveStart)]));
  const cursor = createCursor(boards.brud.board, (place) => paint(place, Infinity));
  const transport = createTransport({ onPlay: togglePlay, onStep: (by) => showStep(state.step + by), onScrub: showStep });
  const readout = createReadout();
  const foot = html("div");
  root.append(question, controls.element, pair, transport.element, readout.element, foot, caption());
  const share = createShare(foot, {
    python: () => python(state),
    link: () => address.link(toEntries(state)),
    onReset: reset,
    say,
  });

  const recompute = onNextFrame(() => (simulateNow(), draw()));
  const redraw = onNextFrame(draw);
  for (const { board } of Object.values(boards)) listenForStrokes(board);
  setTool("move");
  const address = linkState(root.dataset.name, restore);
  showState();
  ready = true;
  closeQuestion = createPrediction(root, {
    question: root.dataset.predict || "One team replays the data uniformly. What will become of it?",
    parent: question,
    onAnswer: () => {
      if (asked && !reducedMotion()) play(0);
      else redraw();
      const [uniform, pjap] = [runs.brud.rewards[STEPS], runs.pjap.rewards[STEPS]];
      const words = `Uniform replay ended at a reward of ${format(uniform)}, PJAP at ${format(pjap)}; the best is ${format(best)}.`;
      return { outcome: outcomeOf(runs.brud, best), words };
    },
  });
  asked = root.hasAttribute("data-waiting");
  if (asked) draw(); // the first drawing has told the outcome

  // --- from the state to the picture

  function simulateNow() {
    runs = data.length ? simulate(GAMES[state.game], data, state) : null;
  }

  function draw() {
    const { step } = state;
    const waiting = root.hasAttribute("data-waiting");
    controls.set(state);
    transport.set(step, playing !== null);
    for (const [name, panel] of Object.entries(boards)) panel.set(runs?.[name], state, waiting);
    readout.set(runs, step, data.length);
    for (const [name, run] of Object.entries(runs ?? {})) {
      const now = [...run.policies[step], run.rewards[step], run.distances[step], run.sizes[step]];
      root.dataset[name] = now.map(exact).join(",");
    }
    closeQuestion(runs ? "" : "There is no data to replay. Draw or choose some, then answer.");
    say(!runs ? "There is no data. Draw some." : waiting ? "" : inWords(runs, step));
  }

  function changed() {
    recompute();
    settled();
  }

  function settled() {
    address.write(toEntries(state));
    share();
  }

  /** Everything anew, after the whole state has changed. */
  function showState() {
    pause();
    setGame(state.game);
    setData(state.data);
    simulateNow();
    draw();
    share();
  }

  function reset() {
    Object.assign(state, defaults);
    setTool("move");
    showState();
    settled();
  }

  function setGame(name) {
    state.game = name;
    const game = GAMES[name];
    const peaks = bestJointActions(game);
    best = reward(game, peaks[0]);
    for (const { board, rings } of Object.values(boards)) {
      drawContours(board.surface, (point) => reward(game, point));
      drawRings(rings, peaks);
    }
  }

  function setData(name) {
    state.data = name;
    data = name === "drawn" ? state.drawn : SOURCES[name].rows();
    for (const panel of Object.values(boards)) panel.place(data);
    if (name !== "drawn" && tool !== "move") setTool("move");
  }

  function moveStart(point) {
    pause();
    state.start = point;
    changed();
  }

  function restore(entries) {
    if (Object.hasOwn(GAMES, entries.game)) state.game = entries.game;
    if (Object.hasOwn(SOURCES, entries.data) || entries.data === "drawn") state.data = entries.data;
    if (entries.drawn !== undefined) {
      const points = entries.drawn.split(";").map(parsePoint);
      state.drawn = points.filter((point) => point !== null).slice(0, MOST_DRAWN);
    }
    if (Object.hasOwn(PLAYERS, entries.players)) state.players = entries.players;
    state.start = parsePoint(entries.start) ?? state.start;
    state.steepness = numberIn(entries.steepness, 0, 32) ?? state.steepness;
    state.step = Math.round(numberIn(entries.step, 0, STEPS) ?? state.step);
    if (ready) showState();
  }

  // --- time

  function showStep(step) {
    pause();
    state.step = Math.min(Math.max(step, 0), STEPS);
    redraw();
    settled();
  }

  function togglePlay() {
    if (playing !== null) return showStep(state.step);
    play(state.step >= STEPS ? 0 : state.step);
  }

  /** Show step after step from this one on; with reduced motion, go ten steps on at once. */
  function play(from) {
    if (reducedMotion()) return showStep(from + 10);
    playing = performance.now() - (from * 1000) / STEPS_A_SECOND;
    requestAnimationFrame(advance);
  }

  function advance(now) {
    if (playing === null) return;
    const step = Math.floor(((now - playing) * STEPS_A_SECOND) / 1000);
    if (step >= STEPS) return showStep(STEPS);
    if (step !== state.step) {
      state.step = Math.max(step, 0);
      draw();
    }
    requestAnimationFrame(advance);
  }

  function pause() {
    playing = null;
  }

  // --- drawing data

  function setTool(name) {
    tool = name;
    root.dataset.tool = name;
    controls.setTool(name);
    cursor.element.toggleAttribute("hidden", name === "move");
    if (name !== "move" && state.data !== "drawn") {
      setData("drawn");
      changed();
    }
  }

  function listenForStrokes(board) {
    let last = null;
    board.svg.addEventListener("pointerdown", (event) => {
      if (tool === "move" || event.button !== 0) return;
      event.preventDefault();
      board.svg.setPointerCapture(event.pointerId);
      last = paint(board.toGame(event), Infinity);
    });
    board.svg.addEventListener("pointermove", (event) => {
      if (last === null) return;
      const place = board.toGame(event);
      last = paint(place, Math.hypot(place[0] - last[0], place[1] - last[1])) ?? last;
    });
    for (const name of ["pointerup", "pointercancel"]) board.svg.addEventListener(name, () => (last = null));
  }

  /** Draw or erase here, unless the stroke has hardly moved since it last did; gives the place if it did. */
  function paint(place, moved) {
    const point = place.map((value) => Math.round(value * 100) / 100);
    if (tool === "erase") {
      setDrawing(state.drawn.filter(([x, y]) => Math.hypot(x - point[0], y - point[1]) > ERASER));
      return point;
    }
    if (moved < SPACING) return null;
    if (state.drawn.length >= MOST_DRAWN) say(`A drawing has at most ${MOST_DRAWN} points.`);
    else setDrawing([...state.drawn, point]);
    return point;
  }

  function setDrawing(points) {
    pause();
    state.drawn = points;
    setData("drawn");
    changed();
  }
}

function numberIn(text, low, high) {
  const value = text === undefined || text.trim() === "" ? NaN : Number(text);
  return value >= low && value <= high ? value : undefined;
}

function inWords({ brud, pjap }, step) {
  return `Step ${step}. Uniform: reward ${format(brud.rewards[step])}. PJAP: reward ${format(pjap.rewards[step])}.`;
}

function toEntries({ game, data, drawn, start, steepness, players, step }) {
  const entries = { game, data, start: start.map(exact).join(","), steepness: exact(steepness), players, step: exact(step) };
  return data === "drawn" ? { ...entries, drawn: drawn.map((point) => point.map(exact).join(",")).join(";") } : entries;
}

/** Python that gives the numbers of the read-out. Uniform sampling is PJAP of steepness 0. */
function python({ game, data, drawn, start, steepness, players, step }) {
  const { name, expression } = gamePython(GAMES[game]);
  const rows = data === "drawn" ? `data = datasets.points(${pythonList(drawn)})` : SOURCES[data].python;
  return `import numpy as np

from pjap.games import datasets, learn, pjap_gradient, proximal_probabilities, ${name}
from pjap.priorities import effective_sample_size, joint_action_distance

game = ${expression}
${rows}
start = np.array(${pythonList(start)})


def update(game, policy, data, steepness):
    return pjap_gradient(game, policy, data, steepness=steepness) * np.array(${MOVES[players]})  # who learns


for name, steepness in (("uniform", 0.0), ("PJAP", ${exact(steepness)})):
    history = learn(game, data, start, update=update, steepness=steepness, steps=${STEPS})
    policy, reward = history.policies[${step}], history.rewards[${step}]
    probabilities = proximal_probabilities(policy, data, steepness=steepness)
    print(name, "joint policy", policy.tolist())
    print(name, "reward", float(reward))
    print(name, "sampled distance", float(probabilities @ joint_action_distance(data, policy)))
    print(name, "effective sample size", float(effective_sample_size(probabilities)))
`;
}

// --------------------------------------------------------------------------------------------------------- the picture

/** One learner's square: data, path so far, path to come, and the start. */
function createPanel(parent, name, onMove) {
  const heading = html("p", { class: "pjap-name" }, lineSwatch(name, { dashed: name === "pjap" }), LEARNERS[name]);
  const element = html("div", {}, heading);
  parent.append(element);
  const board = createBoard(element, { label: `Learning with ${LEARNERS[name]} sampling` });
  const dots = createDots(board.marks);
  const rings = svg("g");
  board.marks.append(rings);
  const [whole, past] = [0, 1].map(() => createTrail(board.marks, name));
  whole.element.classList.add("pjap-faint");
  for (const trail of [whole, past]) trail.element.classList.add("pjap-secret");
  const handle = createHandle(board, { label: `Start of both teams, ${LEARNERS[name]}`, colour: "policy", onMove });

  let inside = [];
  const place = (points) => {
    inside = points.filter(([x, y]) => Math.abs(x) <= 1 && Math.abs(y) <= 1);
    dots.place(inside);
  };
  const weightsAt = (policy, steepness) => proximalProbabilities(policy, inside, { steepness });
  const set = (run, { step, start, steepness }, waiting) => {
    handle.set(start);
    for (const trail of [whole, past]) trail.element.toggleAttribute("hidden", !run);
    dots.weigh(run && name === "pjap" && !waiting && inside.length ? weightsAt(run.policies[step], steepness) : null);
    whole.set(run?.policies.slice(0, STEPS + 1) ?? []);
    past.set(run?.policies.slice(0, step + 1) ?? []);
  };
  return { board, rings, place, set };
}

/** The keyboard's pen and eraser: arrow keys move it, Enter or the space bar use it. */
function createCursor(board, onUse) {
  let place = [0, 0];
  const label = "Pen. Arrow keys move it, Enter draws or erases here";
  const handle = createHandle(board, { label, shape: "square", colour: "data", onMove: (point) => (place = point) });
  handle.set(place);
  handle.element.classList.add("pjap-cursor");
  handle.element.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    onUse(place);
  });
  return handle;
}

// ------------------------------------------------------------------------------------------------- words and controls

function createControls({ onGame, onData, onSteepness, onPlayers, onTool, onClear }) {
  const choices = html("div", { class: "pjap-settings" });
  const game = createChoice(choices, { label: "Game", options: namesOf(GAMES), onChange: onGame });
  const data = createChoice(choices, { label: "Data", options: { ...namesOf(SOURCES), drawn: "my own drawing" }, onChange: onData });
  const slider = { label: "Steepness of PJAP", min: 0.25, max: 32, zero: true, onInput: onSteepness };
  const steepness = createLogSlider(choices, slider);
  const players = createRadios(choices, { label: "Who learns", options: PLAYERS, onChange: onPlayers });
  const tools = html("div", { class: "pjap-row" });
  const tool = createRadios(tools, { label: "On the squares", options: TOOLS, onChange: onTool });
  const clear = html("button", { type: "button", class: "pjap-button" }, "Clear drawing");
  clear.addEventListener("click", onClear);
  tools.append(clear);

  const set = (state) => {
    game.value = state.game;
    data.value = state.data;
    steepness.set(state.steepness);
    players.set(state.players);
  };
  const setTool = (name) => {
    tool.set(name);
    clear.hidden = name === "move";
  };
  return { element: html("div", { class: "pjap-controls" }, choices, tools), set, setTool };
}

function createTransport({ onPlay, onStep, onScrub }) {
  const button = (label, action) => {
    const element = html("button", { type: "button", class: "pjap-button" }, label);
    element.addEventListener("click", action);
    return element;
  };
  const play = button("Play", onPlay);
  const slider = html("input", { type: "range", min: 0, max: STEPS, step: 1 });
  const output = html("output", { class: "pjap-number" });
  const scrub = () => onScrub(Number(slider.value));
  slider.addEventListener("input", scrub);
  // Taking hold of it stops the film even where that moves nothing, as Home does at step 0: no input event tells of it.
  slider.addEventListener("pointerdown", scrub);
  slider.addEventListener("keydown", ({ key }) => key !== "Tab" && scrub());
  const scrubber = html("label", { class: "pjap-field pjap-slider" }, html("span", {}, "Step"), slider, output);
  const element = html("div", { class: "pjap-row pjap-transport pjap-secret" });
  element.append(play, button("Step back", () => onStep(-1)), button("Step on", () => onStep(1)), scrubber);

  const set = (step, playing) => {
    write(play, playing ? "Pause" : reducedMotion() ? "Ten steps on" : "Play");
    slider.value = step;
    slider.setAttribute("aria-valuetext", `step ${step} of ${STEPS}`);
    write(output, `${step} of ${STEPS}`);
  };
  return { element, set };
}

const ROWS = { policy: "joint policy", reward: "reward", distance: "sampled distance", size: "effective sample size" };

/** The numbers at the current step, and small plots of how they came about. */
function createReadout() {
  const cells = {};
  const heads = Object.entries(LEARNERS).map(([name, text]) => html("th", { scope: "col" }, lineSwatch(name, { dashed: name === "pjap" }), text));
  const rows = Object.entries(ROWS).map(([row, text]) => {
    const keys = Object.keys(LEARNERS).map((name) => `${name}.${row}`);
    for (const key of keys) cells[key] = html("td", { class: "pjap-number", "data-value": key });
    return html("tr", {}, html("th", { scope: "row" }, text), ...keys.map((key) => cells[key]));
  });
  const head = html("tr", {}, html("td"), ...heads);
  const table = html("table", { class: "pjap-legend pjap-compare" }, html("thead", {}, head), html("tbody", {}, ...rows));
  const plots = html("div", { class: "pjap-plots" });
  const names = Object.keys(LEARNERS);
  const titles = { rewards: ROWS.reward, distances: ROWS.distance, sizes: ROWS.size };
  const drawn = Object.fromEntries(
    Object.entries(titles).map(([series, title]) => [series, createPlot(plots, { title, names, y: [0, 1] })]),
  );
  const element = html("div", { class: "pjap-readout pjap-secret" }, table, plots);

  const set = (runs, step, size) => {
    element.toggleAttribute("data-empty", !runs);
    for (const [name, run] of Object.entries(runs ?? {})) {
      const kept = run.sizes[step];
      write(cells[`${name}.policy`], formatPoint(run.policies[step]));
      write(cells[`${name}.reward`], format(run.rewards[step]));
      write(cells[`${name}.distance`], format(run.distances[step]));
      write(cells[`${name}.size`], `${format(kept, kept < 10 ? 1 : 0)} of ${size}`);
    }
    if (!runs) return Object.values(cells).forEach((cell) => write(cell, "no data"));
    for (const [series, plot] of Object.entries(drawn)) {
      const [brud, pjap] = [runs.brud, runs.pjap].map((run) => run[series].slice(0, STEPS + 1));
      const all = [...brud, ...pjap];
      plot.scale([series === "rewards" ? Math.min(...all) : 0, Math.max(...all)]);
      plot.draw({ brud, pjap }, step);
    }
  };
  return { element, set };
}

function caption() {
  return html(
    "p",
    { class: "pjap-caption" },
    html("strong", {}, "Try it. "),
    "Drag the start, or move it with the arrow keys (Shift: finer). ",
    "The more solid a data point, the more often PJAP replays it; uniform replay treats all alike. ",
    "Green rings are the best joint actions. Points outside the square are used, but not shown.",
  );
}
