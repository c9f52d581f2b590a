// Figure 1, "One data point": what X and Y learn from one recorded joint action, against what they should learn.

import { GAMES, gamePython, parseGame, pythonList } from "./games.js";
import { brudGradient, learn, reward, trueGradient } from "./mathematics.js";
import {
  createArrow,
  createBoard,
  createChoice,
  createHandle,
  createLabel,
  createLiveRegion,
  createPrediction,
  createShare,
  createTrail,
  drawContours,
  exact,
  format,
  formatPoint,
  html,
  linkState,
  onNextFrame,
  parsePoint,
  placeLabels,
  roomFor,
  svg,
  toScreen,
  write,
} from "./ui.js";

const STEPS = 300; // of the package's default size

/** What the figure shows of a game, a joint policy and one recorded joint action. */
export function analyse(game, policy, recorded) {
  const brud = brudGradient(game, policy, [recorded]);
  const gradient = trueGradient(game, policy);
  const path = learn(game, [recorded], policy, { update: "brud", steps: STEPS });
  return {
    brud,
    gradient,
    inner: dot(brud, gradient),
    change: dot(stopped(brud, policy), gradient),
    reward: reward(game, policy),
    path: path.policies,
    endReward: path.rewards[STEPS],
  };
}

const dot = (a, b) => a[0] * b[0] + a[1] * b[1];

/** An update without what the border of the square stops. */
const stopped = (update, policy) => update.map((by, i) => (Math.abs(policy[i]) === 1 && by * policy[i] > 0 ? 0 : by));

/** In words: `change` is the reward's, to first order, and `inner` tells the angle between BRUD and the true gradient. */
export function verdict({ brud, gradient, inner, change }) {
  const apart = Math.hypot(brud[0] - gradient[0], brud[1] - gradient[1]);
  if (Math.hypot(...gradient) < 1e-9) return { sentence: "The true gradient is zero here.", angle: "no angle" };
  if (apart < 1e-9) return { sentence: "BRUD is the true gradient.", angle: "no angle" };
  if (Math.hypot(...brud) < 1e-9) return { sentence: "BRUD is zero here: nothing changes.", angle: "no angle" };
  const angle = Math.abs(inner) < 1e-9 ? "exactly a right angle" : `${inner < 0 ? "more" : "less"} than a right angle`;
  if (Math.abs(change) < 1e-9) return { sentence: "To first order, nothing changes.", angle };
  return { sentence: `This step ${change < 0 ? "lowers" : "raises"} the reward.`, angle };
}

/** How following BRUD ends, for a policy whose game's best reward is known. */
export function outcomeOf({ reward: before, path, endReward }, best) {
  const [start, end] = [path[0], path[STEPS]];
  if (best - endReward <= 0.02 * (best - before)) return "optimum";
  return Math.hypot(end[0] - start[0], end[1] - start[1]) < 0.05 ? "stays" : "wrong";
}

export default function onePoint(root) {
  const state = {
    game: "sign-agreement",
    own: "5xy - x^2 - y^2 - 4x^2y^2",
    policy: parsePoint(root.dataset.policy),
    recorded: parsePoint(root.dataset.recorded),
  };
  const defaults = { ...state };
  let game = GAMES[state.game];
  let range = null; // the worst and the best reward
  let now = null; // what analyse says of the state

  const [top, picture, aside] = ["top", "picture", "aside"].map((place) => html("div", { class: `pjap-${place}` }));
  const say = createLiveRegion(root);
  root.append(html("div", { class: "pjap-columns" }, top, picture, aside));

  const board = createBoard(picture, { label: "The reward over both players' actions" });
  const marks = drawMarks(board);
  const handles = {
    recorded: createHandle(board, { label: "Data point", shape: "square", colour: "data", onMove: (point) => move("recorded", point) }),
    policy: createHandle(board, { label: "Joint policy", colour: "policy", onMove: (point) => move("policy", point) }),
  };
  const readout = createReadout();
  const controls = createControls(root.dataset.name, { onGame: chooseGame, onOwn: typeOwn });
  const foot = html("div");
  const question = html("div");
  top.append(question, readout.headline);
  picture.append(caption());
  aside.append(readout.legend, controls.element, foot);
  const share = createShare(foot, {
    python: () => python(game, state),
    link: () => address.link(toEntries(state)),
    onReset: reset,
    say,
  });
  const address = linkState(root.dataset.name, restore);

  const redraw = onNextFrame(() => draw(say));
  drawGame();
  showGame();
  draw(() => {});
  createPrediction(root, {
    question: `The team takes ${STEPS} BRUD steps, always from this one data point. What will happen?`,
    parent: question,
    onAnswer: () => ({
      outcome: outcomeOf(now, range[1]),
      words: `The reward went from ${format(now.reward)} to ${format(now.endReward)}; the best is ${format(range[1])}.`,
    }),
  });

  function draw(announce) {
    now = analyse(game, state.policy, state.recorded);
    handles.policy.set(state.policy);
    handles.recorded.set(state.recorded);
    marks.set(state, now);
    readout.set(state, now, range);
    for (const [name, value] of Object.entries({ inner: now.inner, reward: now.reward, endReward: now.endReward })) {
      root.dataset[name] = exact(value);
    }
    root.dataset.brud = now.brud.map(exact).join(",");
    root.dataset.gradient = now.gradient.map(exact).join(",");
    if (root.hasAttribute("data-waiting")) return; // the words would answer the question
    announce(`${verdict(now).sentence} Inner product ${format(now.inner)}.`);
  }

  function move(name, point) {
    state[name] = point;
    changed();
  }

  function changed() {
    redraw();
    address.write(toEntries(state));
    share();
  }

  function chooseGame(name) {
    state.game = name;
    if (showGame()) changed();
  }

  function typeOwn(text) {
    state.own = text;
    if (showGame()) changed();
  }

  /** Take the game over from the state; if the reader's own cannot be read, say so and keep the game that is shown. */
  function showGame() {
    controls.set(state);
    try {
      game = GAMES[state.game] ?? parseGame(state.own);
    } catch (error) {
      controls.fail(error.message);
      say(error.message);
      return false;
    }
    drawGame();
    return true;
  }

  function drawGame() {
    range = rewardRange(game);
    drawContours(board.surface, (point) => reward(game, point));
  }

  function reset() {
    Object.assign(state, defaults);
    showGame();
    changed();
  }

  function restore(entries) {
    state.game = entries.game === "own" || Object.hasOwn(GAMES, entries.game) ? entries.game : state.game;
    state.own = entries.reward ?? state.own;
    state.policy = parsePoint(entries.policy) ?? state.policy;
    state.recorded = parsePoint(entries.recorded) ?? state.recorded;
    if (now) {
      showGame();
      redraw();
      share();
    }
  }
}

/** The worst and the best reward of the square, on a grid of fiftieths. */
function rewardRange(game) {
  const side = Array.from({ length: 101 }, (_, i) => i / 50 - 1);
  const rewards = side.flatMap((x) => side.map((y) => reward(game, [x, y])));
  return rewards.reduce(([worst, best], value) => [Math.min(worst, value), Math.max(best, value)], [Infinity, -Infinity]);
}

function toEntries({ game, own, policy, recorded }) {
  const entries = { game, policy: policy.map(exact).join(","), recorded: recorded.map(exact).join(",") };
  return game === "own" ? { ...entries, reward: own } : entries;
}

function python(game, { policy, recorded }) {
  const { name, expression } = gamePython(game);
  const imports = [name, "brud_gradient", "learn", "true_gradient"].sort((a, b) => (a < b ? -1 : 1));
  return `import numpy as np

from pjap.games import ${imports.join(", ")}

game = ${expression}
policy = np.array(${pythonList(policy)})
recorded = np.array(${pythonList(recorded)})

brud = brud_gradient(game, policy, [recorded])
gradient = true_gradient(game, policy)
history = learn(game, [recorded], policy, update="brud", steps=${STEPS})

print("BRUD", brud.tolist())
print("true gradient", gradient.tolist())
print("inner product", float(brud @ gradient))
print("reward", float(history.rewards[0]))
print("reward after ${STEPS} steps", float(history.rewards[-1]))
`;
}

// --------------------------------------------------------------------------------------------------------- the picture

function drawMarks(board) {
  const trail = createTrail(board.marks, "brud", { dashed: true });
  const parallels = svg("polyline", { class: "pjap-parallel" });
  board.marks.append(parallels);
  const arrows = {
    first: createArrow(board.marks, "first"),
    second: createArrow(board.marks, "second"),
    brud: createArrow(board.marks, "brud", { width: 6 }),
    true: createArrow(board.marks, "true", { width: 3.5 }),
  };
  const labels = Object.fromEntries(["brud", "true", "policy", "data"].map((name) => [name, createLabel(board.marks, name)]));
  trail.element.classList.add("pjap-secret");
  for (const mark of [parallels, ...Object.values(arrows).map((arrow) => arrow.element), labels.brud.element, labels.true.element]) {
    mark.classList.add("pjap-secret");
  }

  function set({ policy, recorded }, { brud, gradient, path }) {
    const steps = { first: [brud[0], 0], second: [0, brud[1]], brud, true: gradient };
    const scale = scaleFor(policy, Object.values(steps));
    const drawn = Object.fromEntries(Object.entries(steps).map(([name, step]) => [name, step.map((value) => scale * value)]));
    for (const [name, arrow] of Object.entries(arrows)) arrow.set(policy, drawn[name]);
    const tips = ["first", "brud", "second"].map((name) => toScreen(plus(policy, drawn[name])).join(" "));
    parallels.setAttribute("points", tips.join(" "));
    trail.set(path);
    placeLabels(namesOf(labels, policy, recorded, drawn), busyPoints(policy, recorded, drawn, path));
  }
  return { set };
}

/** One scale for all arrows, so that they can be compared: long ones shrink, and none leaves the picture. */
function scaleFor(from, steps) {
  const longest = Math.max(...steps.map((step) => Math.hypot(...step)));
  return Math.min(0.9 / (longest + 0.6), ...steps.map((step) => roomFor(from, step)));
}

/** What is named on the board; the two arrows that are compared have one name where they are one arrow. */
function namesOf(labels, policy, recorded, drawn) {
  const oneArrow = Math.hypot(...minus(drawn.brud, drawn.true)) < 0.01;
  const visible = (name) => Math.hypot(...drawn[name]) > 0.03;
  return [
    { label: labels.policy, text: "policy", at: policy, reach: 18 },
    { label: labels.data, text: "data point", at: recorded, reach: 18 },
    { label: labels.brud, text: visible("brud") ? (oneArrow ? "BRUD = true gradient" : "BRUD") : null, at: plus(policy, drawn.brud), reach: 5 },
    { label: labels.true, text: visible("true") && !oneArrow ? "true gradient" : null, at: plus(policy, drawn.true), reach: 5 },
  ];
}

/** Joint actions that a name should not hide: along the arrows, on the trail, and on the handles. */
function busyPoints(policy, recorded, drawn, path) {
  const along = [0.2, 0.4, 0.6, 0.8, 0.9, 1];
  const arrows = Object.values(drawn).flatMap((step) => along.map((share) => plus(policy, step.map((value) => share * value))));
  const handles = [policy, recorded].flatMap((point) => [[0, 0], [-0.04, 0], [0.04, 0], [0, -0.04], [0, 0.04]].map((by) => plus(point, by)));
  return [...arrows, ...handles, ...handles, ...path.filter((_, step) => step % 12 === 0)];
}

const plus = (a, b) => [a[0] + b[0], a[1] + b[1]];
const minus = (a, b) => [a[0] - b[0], a[1] - b[1]];

// ------------------------------------------------------------------------------------------------- words and controls

const LEGEND = {
  policy: "joint policy",
  data: "data point",
  first: "X’s update",
  second: "Y’s update",
  brud: "BRUD, their sum",
  true: "true gradient",
  trail: `${STEPS} BRUD steps`,
  reward: "reward",
};
const SECRET = ["first", "second", "brud", "true", "trail"]; // rows that would answer the question

function createReadout() {
  const sentence = html("p", { class: "pjap-headline" });
  const detail = html("p", { class: "pjap-detail" });
  const headline = html("div", { class: "pjap-secret", "data-value": "inner" }, sentence, detail);
  const cells = Object.fromEntries(Object.keys(LEGEND).map((name) => [name, html("td", { class: "pjap-number", "data-value": name })]));
  const rows = Object.entries(LEGEND).map(([name, text]) =>
    html("tr", { class: SECRET.includes(name) && "pjap-secret" }, html("th", { scope: "row" }, swatch(name), text), cells[name]),
  );
  const legend = html("table", { class: "pjap-legend" }, html("tbody", {}, ...rows));

  function set({ policy, recorded }, now, [worst, best]) {
    const words = verdict(now);
    write(sentence, words.sentence);
    sentence.dataset.sign = Math.abs(now.change) < 1e-9 ? "0" : String(Math.sign(now.change));
    write(detail, `Inner product ${format(now.inner)}: ${words.angle} between BRUD and true gradient.`);
    const values = {
      policy: formatPoint(policy),
      data: formatPoint(recorded),
      first: format(now.brud[0]),
      second: format(now.brud[1]),
      brud: formatPoint(now.brud),
      true: formatPoint(now.gradient),
      trail: `reward ${format(now.reward)} → ${format(now.endReward)}`,
      reward: `${format(worst)} to ${format(best)}`,
    };
    for (const [name, text] of Object.entries(values)) write(cells[name], text);
  }
  return { headline, legend, set };
}

/** The mark that a row of the legend stands for. */
function swatch(name) {
  const shapes = {
    policy: () => svg("circle", { cx: 14, cy: 8, r: 6, class: "pjap-mark", style: "color: var(--pjap-policy)" }),
    data: () => svg("rect", { x: 8.5, y: 2.5, width: 11, height: 11, rx: 1.5, class: "pjap-mark", style: "color: var(--pjap-data)" }),
    trail: () => svg("path", { d: "M1 8H27", class: "pjap-trail pjap-dashed", style: "color: var(--pjap-brud)" }),
  };
  const turn = name === "second" ? "rotate(-90 14 8) translate(14 8) scale(0.62 1) translate(-14 -8)" : null;
  const arrow = () => svg("path", { d: "M1 6.4H16V2.5L27 8L16 13.5V9.6H1Z", transform: turn, style: `fill: var(--pjap-${name})` });
  if (name === "reward") return html("span", { class: "pjap-swatch pjap-ramp", "aria-hidden": "true" });
  return svg("svg", { class: "pjap-swatch", viewBox: "0 0 28 16", "aria-hidden": "true" }, (shapes[name] ?? arrow)());
}

function createControls(name, { onGame, onOwn }) {
  const element = html("div", { class: "pjap-controls" });
  const titles = Object.entries(GAMES).map(([name, { title }]) => [name, title]);
  const options = Object.fromEntries([...titles, ["own", "your own"]]);
  const select = createChoice(element, { label: "Game", options, onChange: onGame });
  const field = html("input", { type: "text", class: "pjap-text", spellcheck: "false", autocapitalize: "off", autocomplete: "off", maxlength: 200 });
  const error = html("p", { class: "pjap-error", id: `${name}-error` });
  field.setAttribute("aria-describedby", error.id);
  const own = html("div", { hidden: true }, html("label", { class: "pjap-field" }, html("span", {}, "R(x, y) ="), field), error);
  field.addEventListener("input", () => onOwn(field.value));
  element.append(own);

  const set = ({ game, own: text }) => {
    select.value = game;
    own.hidden = game !== "own";
    if (field.value !== text) field.value = text;
    fail("");
  };
  const fail = (message) => {
    error.textContent = message && `${message} The last game that could be read is shown.`;
    field.setAttribute("aria-invalid", String(message !== ""));
  };
  return { element, set, fail };
}

function caption() {
  return html(
    "p",
    { class: "pjap-caption" },
    html("strong", {}, "Try it. "),
    "Drag the joint policy and the data point, or move them with the arrow keys (Shift: finer). ",
    "X moves as if Y still played the recorded action, and Y as if X did. ",
    "Drag the data point onto the policy: the record is the present, and the two arrows become one.",
  );
}
