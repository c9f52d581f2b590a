// What all interactive figures share: a board over [-1, 1]^2, handles, arrows, contours, a live region, state in the
// URL fragment, copy buttons, predict-first, sliders and small line plots. Nothing here knows a game.

const SVG = "http://www.w3.org/2000/svg";
const SIDE = 400; // the square's side in SVG units
const MARGIN = { left: 50, right: 24, top: 24, bottom: 52 }; // room for ticks, axis labels and heads of arrows
const WIDTH = MARGIN.left + SIDE + MARGIN.right;
const HEIGHT = MARGIN.top + SIDE + MARGIN.bottom;
const COARSE = 0.05;
const FINE = 0.01;

/**
 * @typedef {[number, number]} Point  a joint action, X's first
 * @typedef {Object<string, string>} State  a figure's whole state, as it stands in the URL
 */

// ---------------------------------------------------------------------------------------------------------- small tools

/** An HTML element. Attributes whose value is null, undefined or false are left out; true gives an empty one. */
export function html(tag, attributes = {}, ...children) {
  return build(document.createElement(tag), attributes, children);
}

/** An SVG element, made like `html`. */
export function svg(tag, attributes = {}, ...children) {
  return build(document.createElementNS(SVG, tag), attributes, children);
}

function build(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

/** Write a text, unless it stands there: even an equal one would be laid out anew, in every frame of a drag. */
export function write(element, text) {
  if (element.textContent !== String(text)) element.textContent = text;
}

/** A number for readers: fixed digits, a true minus, and no minus before zero. */
export function format(value, digits = 2) {
  const text = Math.abs(value).toFixed(digits);
  return (value < 0 && Number(text) !== 0 ? "\u2212" : "") + text;
}

/** A joint action for readers: "(−0.40, 0.50)". */
export function formatPoint([x, y], digits = 2) {
  return `(${format(x, digits)}, ${format(y, digits)})`;
}

/** A number for the URL and for Python: the shortest text that gives it back. */
export function exact(value) {
  return String(Object.is(value, -0) ? 0 : value);
}

/** A point from the URL, "0.5,-0.4"; null unless it is two numbers in [-1, 1]. */
export function parsePoint(text) {
  const point = (text ?? "").split(",").map((part) => (part.trim() === "" ? NaN : Number(part)));
  return point.length === 2 && point.every((value) => Math.abs(value) <= 1) ? point : null;
}

export function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}

/** Whether the reader asked for less motion: then show steps, not animations. Ask each time, it can change. */
export function reducedMotion() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}

/** A function that runs `draw` once before the next frame, however often it is called. */
export function onNextFrame(draw) {
  let waiting = false;
  return () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      draw();
    });
  };
}

// ----------------------------------------------------------------------------------------------------------- the board

/** From a joint action to SVG units on a board. */
export function toScreen([x, y]) {
  return [MARGIN.left + ((x + 1) / 2) * SIDE, MARGIN.top + ((1 - y) / 2) * SIDE];
}

/** How far a mark at `from` can go along `step` before it leaves the picture, as a multiple of `step`. */
export function roomFor(from, step) {
  const edge = 1 + (2 * (MARGIN.top - 4)) / SIDE;
  const rooms = from.map((value, i) => (step[i] === 0 ? Infinity : (Math.sign(step[i]) * edge - value) / step[i]));
  return Math.min(...rooms);
}

/**
 * An empty picture. Its shape is known before its content, so that what moves in it lays out nothing around it.
 *
 * @param {string} kind  its class: "pjap-board" or "pjap-plot"
 * @param {[number, number, number, number]} view  left, top, width and height in SVG units
 * @param {Object<string, string>} attributes  more of them
 */
export function createPicture(kind, view, attributes) {
  const [, , width, height] = view;
  return svg("svg", { class: kind, viewBox: view.join(" "), style: `aspect-ratio: ${width} / ${height}`, ...attributes });
}

/**
 * The square of joint actions, with frame, ticks and axis labels.
 *
 * @param {HTMLElement} parent
 * @param {{label: string, bare?: boolean}} options  `label` names the picture for screen readers; a `bare` one has no
 *   room for ticks and labels
 * @returns {{svg: SVGSVGElement, surface: SVGGElement, marks: SVGGElement, handles: SVGGElement,
 *   toGame: (event: PointerEvent) => Point}}  three layers, from the back to the front. `surface` and `marks` are hidden
 *   from screen readers: say in words what they show. `toGame` gives the joint action under a pointer, clamped.
 */
export function createBoard(parent, { label, bare = false }) {
  const view = bare ? [MARGIN.left - 2, MARGIN.top - 2, SIDE + 4, SIDE + 4] : [0, 0, WIDTH, HEIGHT];
  const root = createPicture("pjap-board", view, { role: "group", "aria-label": label });
  const [surface, axes, marks] = [0, 1, 2].map(() => svg("g", { "aria-hidden": "true" }));
  const handles = svg("g");
  axes.append(svg("rect", { class: "pjap-frame", x: MARGIN.left, y: MARGIN.top, width: SIDE, height: SIDE }));
  if (!bare) axes.append(...axisTexts());
  root.append(surface, axes, marks, handles);
  parent.append(root);

  const toGame = (event) => {
    const place = new DOMPoint(event.clientX, event.clientY).matrixTransform(root.getScreenCTM().inverse());
    const x = ((place.x - MARGIN.left) / SIDE) * 2 - 1;
    const y = 1 - ((place.y - MARGIN.top) / SIDE) * 2;
    return [clamp(x, -1, 1), clamp(y, -1, 1)];
  };
  return { svg: root, surface, marks, handles, toGame };
}

function axisTexts() {
  const texts = [-1, 0, 1].flatMap((tick) => {
    const [across] = toScreen([tick, 0]);
    const [, up] = toScreen([0, tick]);
    return [
      svg("text", { class: "pjap-tick", x: across, y: MARGIN.top + SIDE + 21, "text-anchor": "middle" }, format(tick, 0)),
      svg("text", { class: "pjap-tick", x: MARGIN.left - 9, y: up + 5, "text-anchor": "end" }, format(tick, 0)),
    ];
  });
  const [middle, centre] = toScreen([0, 0]);
  const [x, y] = [{ x: middle, y: HEIGHT - 6 }, { transform: `translate(18 ${centre}) rotate(-90)` }];
  return [
    ...texts,
    svg("text", { ...x, "text-anchor": "middle" }, "action of X"),
    svg("text", { ...y, "text-anchor": "middle" }, "action of Y"),
  ];
}

// ------------------------------------------------------------------------------------------------------------ contours

/**
 * Draw the reward as filled bands of equal area with lines between them, as the static pictures do. Replaces what was
 * there. Slow (tens of milliseconds): call it when the game changes, never while dragging.
 *
 * @param {SVGGElement} layer  usually `board.surface`
 * @param {(point: Point) => number} reward
 * @param {number} bands
 */
export function drawContours(layer, reward, bands = 13) {
  const cells = 50;
  const side = Array.from({ length: cells + 1 }, (_, i) => (2 * i) / cells - 1);
  const values = side.map((y) => side.map((x) => reward([x, y])));
  const sorted = values.flat().sort((a, b) => a - b);
  const quantiles = Array.from({ length: bands }, (_, k) => sorted[Math.round((k / bands) * (sorted.length - 1))]);
  const levels = [...new Set(quantiles)].slice(1);
  layer.replaceChildren(square(bandColour(0)));
  levels.forEach((level, k) => {
    const { area, line } = aboveLevel(side, values, level);
    layer.append(svg("path", { d: area, style: `fill: ${bandColour((k + 1) / Math.max(levels.length, 1))}` }));
    layer.append(svg("path", { d: line, class: "pjap-contour" }));
  });
}

function square(colour) {
  return svg("rect", { x: MARGIN.left, y: MARGIN.top, width: SIDE, height: SIDE, style: `fill: ${colour}` });
}

/** A colour between the five of the stylesheet's reward ramp, so that light and dark are one stylesheet's matter. */
function bandColour(height) {
  const place = clamp(height, 0, 1) * 4;
  const low = Math.min(Math.floor(place), 3);
  return `color-mix(in oklab, var(--pjap-reward-${low + 1}) ${Math.round((place - low) * 100)}%, var(--pjap-reward-${low}))`;
}

/** Where the values on a grid are at least `level`, as SVG path data: the area, and its border inside the square. */
function aboveLevel(side, values, level) {
  let area = "";
  let line = "";
  for (let row = 0; row + 1 < side.length; row++) {
    let from = null; // where a run of cells that are above with all corners began: it becomes one rectangle
    for (let column = 0; column + 1 < side.length; column++) {
      const [below, over] = [values[row], values[row + 1]];
      const heights = [below[column], below[column + 1], over[column + 1], over[column]];
      const whole = Math.min(...heights) >= level;
      if (whole && from === null) from = side[column];
      if (from !== null && (!whole || column + 2 === side.length)) {
        area += closed(rectangle(from, side[row], side[whole ? column + 1 : column], side[row + 1]));
        from = null;
      }
      if (whole || Math.max(...heights) < level) continue;
      const places = [[column, row], [column + 1, row], [column + 1, row + 1], [column, row + 1]];
      const { polygon, cuts } = clipCell(places.map(([c, r], i) => ({ x: side[c], y: side[r], above: heights[i] - level })));
      if (polygon.length) area += closed(polygon);
      for (let i = 0; i + 1 < cuts.length; i += 2) line += `M${onScreen(cuts[i])}L${onScreen(cuts[i + 1])}`;
    }
  }
  return { area, line };
}

function rectangle(left, low, right, high) {
  return [[left, low], [right, low], [right, high], [left, high]];
}

function closed(polygon) {
  return `M${polygon.map(onScreen).join("L")}Z`;
}

/** The part of a grid cell above zero, with the places where its border is cut, by linear interpolation. */
function clipCell(corners) {
  const polygon = [];
  const cuts = [];
  corners.forEach((here, i) => {
    const next = corners[(i + 1) % 4];
    if (here.above >= 0) polygon.push([here.x, here.y]);
    if (here.above >= 0 === next.above >= 0) return;
    const share = here.above / (here.above - next.above);
    const cut = [here.x + share * (next.x - here.x), here.y + share * (next.y - here.y)];
    polygon.push(cut);
    cuts.push(cut);
  });
  return { polygon, cuts };
}

function onScreen(point) {
  return toScreen(point).map((value) => value.toFixed(1)).join(" ");
}

// ------------------------------------------------------------------------------------------------------ marks on a board

/**
 * An arrow whose foot, direction and length can change.
 *
 * @param {SVGGElement} layer  usually `board.marks`
 * @param {string} name  of a colour: "true", "brud", "pjap", "first", "second" ...
 * @param {{width?: number}} options
 * @returns {{set: (from: Point, step: Point) => void, element: SVGPathElement}}  `set` hides it when the step is too short
 */
export function createArrow(layer, name, { width = 5 } = {}) {
  const element = svg("path", { class: "pjap-arrow", style: `fill: var(--pjap-${name})` });
  layer.append(element);
  const set = (from, step) => {
    const [x, y] = toScreen(from);
    const [dx, dy] = [(step[0] * SIDE) / 2, (-step[1] * SIDE) / 2];
    const length = Math.hypot(dx, dy);
    element.toggleAttribute("hidden", length < 1);
    if (length < 1) return;
    const [head, half] = [Math.min(3.6 * width, length), 1.7 * width];
    const outline = [[0, width / 2], [length - head, width / 2], [length - head, half], [length, 0]];
    const both = [...outline, ...outline.slice(0, 3).reverse().map(([along, aside]) => [along, -aside])];
    const turned = both.map(([along, aside]) => [
      x + (along * dx - aside * dy) / length,
      y + (along * dy + aside * dx) / length,
    ]);
    element.setAttribute("d", `M${turned.map((point) => point.map((value) => value.toFixed(2)).join(" ")).join("L")}Z`);
  };
  return { set, element };
}

/**
 * A path of joint policies, with a dot where it ends.
 *
 * @param {SVGGElement} layer
 * @param {string} name  of a colour
 * @param {{dashed?: boolean}} options  `dashed` is the second way to tell two paths apart
 * @returns {{set: (path: Point[]) => void, element: SVGGElement}}
 */
export function createTrail(layer, name, { dashed = false } = {}) {
  const line = svg("polyline", { class: dashed ? "pjap-trail pjap-dashed" : "pjap-trail" });
  const end = svg("circle", { r: 5, class: "pjap-trail-end" });
  const element = svg("g", { style: `color: var(--pjap-${name})` }, line, end);
  layer.append(element);
  const set = (path) => {
    element.toggleAttribute("hidden", path.length === 0);
    if (path.length === 0) return;
    line.setAttribute("points", path.map(onScreen).join(" "));
    const [x, y] = toScreen(path[path.length - 1]);
    end.setAttribute("cx", x);
    end.setAttribute("cy", y);
  };
  return { set, element };
}

/** A text with a halo, for `placeLabels`. */
export function createLabel(layer, name) {
  const element = svg("text", { class: "pjap-label", style: `fill: var(--pjap-${name})`, "text-anchor": "middle" });
  layer.append(element);
  return { element, side: 0 };
}

const LINE = 24; // what a label takes up at most, on a phone, in SVG units
const CAPITAL = 15.5;
const LETTER = 11.5;
const NO_ROOM = 1000;
const ROUND = [[1, 0], [-1, 0], ...[0, 0.5, -0.5, 1, -1].flatMap((across) => [[across, -1], [across, 1]])];
const SIDES = [0, 16, 36].flatMap((gap) => ROUND.map(([across, down]) => ({ across, down, gap })));

/**
 * Put names beside the things they name, where they hide least. A name stays on its side while that is good enough, so
 * that it does not jump about during a drag; one that finds no room is left out, so a legend must have it too.
 *
 * @param {{label: object, text: string | null, at: Point, reach: number}[]} names  the most important one first; `at` is
 *   a joint action, `reach` how far the thing extends around it in SVG units
 * @param {Point[]} busy  joint actions that had better not be hidden
 */
export function placeLabels(names, busy) {
  const points = busy.map(toScreen);
  const taken = [];
  for (const { label, text, at, reach } of names) {
    label.element.toggleAttribute("hidden", true);
    if (text === null) continue;
    const boxes = SIDES.map((side) => boxBeside(toScreen(at), side, reach, widthOf(text)));
    const costs = boxes.map((box, i) => costOf(box, taken, points) + SIDES[i].gap / 8 + (i === label.side ? 0 : 1.5));
    label.side = costs.indexOf(Math.min(...costs));
    if (costs[label.side] >= NO_ROOM) continue;
    label.element.toggleAttribute("hidden", false);
    const box = boxes[label.side];
    label.element.setAttribute("x", (box.left + box.right) / 2);
    label.element.setAttribute("y", box.bottom - 6);
    write(label.element, text);
    taken.push(box);
  }
}

/** Guessed, because asking the browser in every frame would be slow. */
function widthOf(text) {
  const capitals = text.replace(/[^A-Z]/g, "").length;
  return CAPITAL * capitals + LETTER * (text.length - capitals);
}

function boxBeside([x, y], { across, down, gap }, reach, width) {
  const [middle, centre] = [x + across * (reach + gap + width / 2), y + down * (reach + gap + LINE / 2)];
  return { left: middle - width / 2, right: middle + width / 2, top: centre - LINE / 2, bottom: centre + LINE / 2 };
}

/** How bad a place for a label is: on marks, or impossible, on another label or outside the picture. */
function costOf(box, taken, points) {
  const outside = box.left < 0 || box.top < 0 || box.right > WIDTH || box.bottom > HEIGHT;
  const covered = taken.filter((other) => box.left < other.right && other.left < box.right && box.top < other.bottom && other.top < box.bottom);
  const hidden = points.filter(([x, y]) => box.left < x && x < box.right && box.top < y && y < box.bottom);
  return NO_ROOM * (outside || covered.length > 0) + 2 * hidden.length;
}

// -------------------------------------------------------------------------------------------------------------- handles

/**
 * A point that the reader moves with a pointer, a finger or the arrow keys (0.05; with Shift 0.01; Home goes to the
 * middle). Positions snap to 0.01, so that what the URL and the Python say is what is drawn.
 *
 * For screen readers it is a slider of two dimensions: its value is X's action, its value text both.
 *
 * @param {ReturnType<typeof createBoard>} board
 * @param {{label: string, shape?: "circle" | "square", colour: string, onMove: (point: Point) => void}} options
 *   `onMove` is called with each new position; the handle moves by itself. Draw in it through `onNextFrame`.
 * @returns {{set: (point: Point) => void, element: SVGGElement}}  `set` moves it without calling `onMove`
 */
export function createHandle(board, { label, shape = "circle", colour, onMove }) {
  const mark =
    shape === "circle"
      ? svg("circle", { r: 10, class: "pjap-mark" })
      : svg("rect", { x: -9, y: -9, width: 18, height: 18, rx: 2, class: "pjap-mark" });
  const element = svg(
    "g",
    {
      class: "pjap-handle",
      style: `color: var(--pjap-${colour})`,
      tabindex: 0,
      role: "slider",
      "aria-roledescription": "point in a square",
      "aria-label": label,
      "aria-valuemin": -1,
      "aria-valuemax": 1,
    },
    svg("circle", { r: 24, class: "pjap-reach" }),
    svg("circle", { r: 19, class: "pjap-ring" }),
    mark,
  );
  board.handles.append(element);

  let place = [0, 0];
  const set = (point) => {
    place = point;
    element.setAttribute("transform", `translate(${toScreen(point).join(" ")})`);
    element.setAttribute("aria-valuenow", exact(point[0]));
    element.setAttribute("aria-valuetext", `X ${format(point[0])}, Y ${format(point[1])}`);
  };
  const move = (point) => {
    set(point.map((value) => Math.round(clamp(value, -1, 1) * 100) / 100));
    onMove(place);
  };

  // touch-action: none, which the stylesheet asks for, does not reach parts of an SVG picture in every browser.
  element.addEventListener("touchstart", (event) => event.preventDefault(), { passive: false });
  let grip = null; // from pointer to centre, so that the handle does not jump under the finger
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    event.preventDefault();
    const under = board.toGame(event);
    grip = [place[0] - under[0], place[1] - under[1]];
    element.setPointerCapture(event.pointerId);
    element.focus({ preventScroll: true });
  });
  element.addEventListener("pointermove", (event) => {
    if (grip === null) return;
    const under = board.toGame(event);
    move([under[0] + grip[0], under[1] + grip[1]]);
  });
  const release = () => (grip = null);
  element.addEventListener("lostpointercapture", release); // also when the pointer goes up, or is cancelled

  const keys = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  element.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const direction = keys[event.key];
    if (!direction && event.key !== "Home") return;
    event.preventDefault();
    const step = event.shiftKey ? FINE : COARSE;
    move(direction ? [place[0] + step * direction[0], place[1] + step * direction[1]] : [0, 0]);
  });
  return { set, element };
}

// ----------------------------------------------------------------------------------------------------------- live region

/**
 * The figure's one polite live region. Call `say` as often as you like: the last text is spoken once things are quiet.
 *
 * @param {HTMLElement} parent
 * @returns {(text: string) => void}  say
 */
export function createLiveRegion(parent) {
  const region = html("p", { class: "pjap-unseen", role: "status" });
  parent.append(region);
  let timer;
  return (text) => {
    clearTimeout(timer);
    timer = setTimeout(() => (region.textContent = text), 600);
  };
}

// ------------------------------------------------------------------------------------------------- state in the fragment

// "#pjap&one-point.policy=-0.4,0.5&learner.steepness=4": no section of a page has such a name, so that links to
// sections (#fig-index) and links to states leave each other alone.
const MARK = "#pjap&";

function fragmentEntries() {
  return location.hash.startsWith(MARK) ? new URLSearchParams(location.hash.slice(MARK.length)) : new URLSearchParams();
}

function toFragment(entries) {
  return MARK + entries.toString().replaceAll("%2C", ",").replaceAll("%3B", ";");
}

/** A figure's state in the URL, or null when the URL says nothing about it. */
function readState(name) {
  const own = [...fragmentEntries()].filter(([key]) => key.startsWith(`${name}.`));
  return own.length ? Object.fromEntries(own.map(([key, value]) => [key.slice(name.length + 1), value])) : null;
}

/**
 * Tie a figure's state to the URL fragment.
 *
 * @param {string} name  of the figure on this page: `root.dataset.name`, which main.js sets
 * @param {(state: State) => void} restore  called at once if the URL holds a state of this figure, and whenever the reader
 *   follows a link to another one; it must survive states that it cannot read
 * @returns {{write: (state: State) => void, link: (state: State) => string}}  `write` puts the whole state into the URL
 *   soon, leaving other figures' alone; `link` is an address for this figure's state only
 */
export function linkState(name, restore) {
  const follow = () => {
    const state = readState(name);
    if (state) restore(state);
  };
  addEventListener("hashchange", follow);
  follow();

  let timer;
  const write = (state) => {
    clearTimeout(timer);
    // Browsers limit how often a page may rewrite its address.
    timer = setTimeout(() => {
      const entries = fragmentEntries();
      for (const key of [...entries.keys()]) if (key.startsWith(`${name}.`)) entries.delete(key);
      for (const [key, value] of Object.entries(state)) entries.set(`${name}.${key}`, value);
      history.replaceState(history.state, "", toFragment(entries));
    }, 250);
  };
  const link = (state) => {
    const entries = new URLSearchParams(Object.entries(state).map(([key, value]) => [`${name}.${key}`, value]));
    return location.href.split("#")[0] + toFragment(entries);
  };
  return { write, link };
}

// -------------------------------------------------------------------------------------------------------- copy and share

/**
 * Three buttons, "Reset", "Copy as Python" and "Copy link", and the Python in a fold-out beneath.
 *
 * @param {HTMLElement} parent
 * @param {{python: () => string, link: () => string, onReset: () => void, say: (text: string) => void}} options
 * @returns {() => void}  refresh: call it when the state has settled, to rewrite the Python if it is unfolded
 */
export function createShare(parent, { python, link, onReset, say }) {
  const code = html("code", { class: "pjap-code" });
  const details = html("details", { class: "pjap-python" }, html("summary", {}, "The same in Python"), html("pre", {}, code));
  const refresh = () => {
    if (details.open) code.textContent = python();
  };
  const unfold = () => {
    details.open = true;
    refresh();
  };
  details.addEventListener("toggle", refresh);
  const copyPython = copyButton("Copy as Python", python, say, unfold);
  const copyLink = copyButton("Copy link", link, say, (text) => prompt("The link to this state:", text));
  copyPython.addEventListener("click", unfold);
  const reset = html("button", { type: "button", class: "pjap-button" }, "Reset");
  reset.addEventListener("click", onReset);
  parent.append(html("div", { class: "pjap-row" }, reset, copyPython, copyLink), details);
  return refresh;
}

/** A button that copies a text; where the browser will not let it (plain http), `otherwise` shows the text instead. */
function copyButton(label, text, say, otherwise) {
  const button = html("button", { type: "button", class: "pjap-button" }, label);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text());
    } catch {
      return otherwise(text());
    }
    say("Copied.");
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = label), 1500);
  });
  return button;
}

// --------------------------------------------------------------------------------------------------------- predict first

const OUTCOMES = { optimum: "It finds the best reward", stays: "It stays where it is", wrong: "It goes wrong" };

/**
 * Ask the reader what will happen before the figure shows it, once for each view of the page. Where the figure's element
 * has no `data-predict`, `onAnswer` is called at once and nothing is asked. Until the answer the element carries
 * `data-waiting`, and the stylesheet hides what has the class `pjap-secret`.
 *
 * @param {HTMLElement} root  the figure
 * @param {{question: string, parent: HTMLElement,
 *   onAnswer: () => {outcome: keyof OUTCOMES, words: string} | void}} options  `onAnswer` runs the figure and says what
 *   happened: the outcome and one sentence
 * @returns {(reason: string) => void}  close: while nothing can be answered, call it with the reason; without one (an empty
 *   text) the question is open again. After the answer it does nothing
 */
export function createPrediction(root, { question, parent, onAnswer }) {
  if (!("predict" in root.dataset)) {
    onAnswer();
    return () => {};
  }
  const verdict = html("p", { class: "pjap-verdict", tabindex: -1, hidden: true });
  const choices = html("div", { class: "pjap-row" });
  const box = html("fieldset", { class: "pjap-predict" }, html("legend", {}, question), choices, verdict);
  for (const [choice, label] of Object.entries(OUTCOMES)) {
    const button = html("button", { type: "button", class: "pjap-button", "data-choice": choice }, label);
    button.addEventListener("click", () => {
      root.removeAttribute("data-waiting");
      const { outcome, words } = onAnswer();
      const right = outcome === choice;
      verdict.textContent = `${right ? "You were right." : `You said: ${lowerFirst(label)}. It did not.`} ${words}`;
      verdict.dataset.right = right;
      verdict.hidden = false;
      choices.remove();
      verdict.focus({ preventScroll: true }); // the button is gone; a screen reader reads what has the focus
    });
    choices.append(button);
  }
  root.setAttribute("data-waiting", "");
  parent.append(box);
  return (reason) => {
    if (!root.hasAttribute("data-waiting")) return;
    box.disabled = reason !== "";
    verdict.textContent = reason;
    verdict.hidden = reason === "";
  };
}

function lowerFirst(text) {
  return text[0].toLowerCase() + text.slice(1);
}

// --------------------------------------------------------------------------------------------------- controls and plots

/**
 * A labelled choice of several.
 *
 * @param {HTMLElement} parent
 * @param {{label: string, options: Object<string, string>, onChange: (value: string) => void}} options  from value to text
 * @returns {HTMLSelectElement}  set its `.value` to change it without calling `onChange`
 */
export function createChoice(parent, { label, options, onChange }) {
  const entries = Object.entries(options).map(([value, text]) => html("option", { value }, text));
  const select = html("select", { class: "pjap-select" }, ...entries);
  select.addEventListener("change", () => onChange(select.value));
  parent.append(html("label", { class: "pjap-field" }, html("span", {}, label), select));
  return select;
}

/**
 * A slider on a logarithmic scale. With `zero`, its left end stands for 0.
 *
 * @param {HTMLElement} parent
 * @param {{label: string, min: number, max: number, zero?: boolean, words?: (value: number) => string,
 *   onInput: (value: number) => void}} options  `min > 0`; values are rounded to three digits
 * @returns {{set: (value: number) => void, element: HTMLInputElement}}  `set` moves it without calling `onInput`
 */
export function createLogSlider(parent, { label, min, max, zero = false, words = (value) => format(value), onInput }) {
  const last = 200;
  const first = zero ? 1 : 0;
  const valueAt = (place) =>
    place < first ? 0 : Number((min * (max / min) ** ((place - first) / (last - first))).toPrecision(3));
  const placeOf = (value) =>
    value <= 0 ? 0 : Math.round(first + ((last - first) * Math.log(clamp(value, min, max) / min)) / Math.log(max / min));
  const element = html("input", { type: "range", min: 0, max: last, step: 1 });
  const output = html("output", { class: "pjap-number" });
  const show = (value) => {
    write(output, words(value));
    element.setAttribute("aria-valuetext", words(value));
  };
  element.addEventListener("input", () => {
    const value = valueAt(Number(element.value));
    show(value);
    onInput(value);
  });
  parent.append(html("label", { class: "pjap-field pjap-slider" }, html("span", {}, label), element, output));
  const set = (value) => {
    element.value = placeOf(value);
    show(value);
  };
  return { set, element };
}

/**
 * A small line plot with a cursor. Lines are named by colour and dash; say their values in words elsewhere.
 *
 * @param {HTMLElement} parent
 * @param {{title: string, names: string[], y: [number, number]}} options  `names` of colours; the second one is dashed
 * @returns {{draw: (series: Object<string, number[]>, cursor: number) => void, scale: (y: [number, number]) => void,
 *   element: HTMLElement}}  `draw` shows each series up to and including index `cursor`, with the whole of it faint behind;
 *   `scale` changes the range of the next drawing
 */
export function createPlot(parent, { title, names, y }) {
  const [width, height, left, right, top, bottom] = [240, 96, 34, 6, 8, 8];
  const picture = createPicture("pjap-plot", [0, 0, width, height], { "aria-hidden": "true" });
  let [low, high] = y;
  const share = (value) => (high > low ? (high - clamp(value, low, high)) / (high - low) : 0.5); // one value: in the middle
  const up = (value) => top + share(value) * (height - top - bottom);
  const ticks = y.map((value) => {
    picture.append(svg("line", { class: "pjap-rule", x1: left, x2: width - right, y1: up(value), y2: up(value) }));
    const tick = svg("text", { class: "pjap-tick", x: left - 6, y: up(value) + 4, "text-anchor": "end" });
    picture.append(tick);
    return tick;
  });
  const scale = (range) => {
    [low, high] = range;
    ticks.forEach((tick, i) => write(tick, format(range[i], 2).replace(/\.?0+$/, "")));
  };
  scale(y);
  const lines = Object.fromEntries(
    names.map((name, i) => {
      const shapes = ["pjap-faint", ""].map((kind) =>
        svg("polyline", { class: `pjap-line ${kind} ${i === 1 ? "pjap-dashed" : ""}`, style: `color: var(--pjap-${name})` }),
      );
      picture.append(...shapes);
      return [name, shapes];
    }),
  );
  const dots = Object.fromEntries(names.map((name) => [name, svg("circle", { r: 3.5, style: `fill: var(--pjap-${name})` })]));
  picture.append(...Object.values(dots));
  const element = html("figure", { class: "pjap-small" }, html("figcaption", {}, title), picture);
  parent.append(element);
  const draw = (series, cursor) => {
    for (const [name, values] of Object.entries(series)) {
      const across = (i) => left + (i / Math.max(values.length - 1, 1)) * (width - left - right);
      const points = values.map((value, i) => `${across(i).toFixed(1)} ${up(value).toFixed(1)}`);
      const [whole, past] = lines[name];
      const now = clamp(cursor, 0, values.length - 1);
      whole.setAttribute("points", points.join(" "));
      past.setAttribute("points", points.slice(0, now + 1).join(" "));
      dots[name].setAttribute("cx", across(now));
      dots[name].setAttribute("cy", up(values[now]));
    }
  };
  return { draw, scale, element };
}

let radioGroups = 0;

/**
 * A choice of a few, all in view.
 *
 * @param {HTMLElement} parent
 * @param {{label: string, options: Object<string, string>, onChange: (value: string) => void}} options  from value to text
 * @returns {{set: (value: string) => void, element: HTMLElement}}  `set` chooses without calling `onChange`
 */
export function createRadios(parent, { label, options, onChange }) {
  radioGroups += 1;
  const name = `pjap-radios-${radioGroups}`;
  const inputs = Object.keys(options).map((value) => html("input", { type: "radio", name, value }));
  const choices = inputs.map((input) => html("label", {}, input, html("span", {}, options[input.value])));
  for (const input of inputs) input.addEventListener("change", () => onChange(input.value));
  const words = html("span", { id: name }, label);
  const element = html("div", { class: "pjap-field pjap-radios", role: "radiogroup", "aria-labelledby": name }, words, ...choices);
  parent.append(element);
  const set = (value) => inputs.forEach((input) => (input.checked = input.value === value));
  return { set, element };
}

/**
 * Data points, the more solid the heavier. One path for each of a few opacities: a thousand elements would be slow.
 *
 * @param {SVGGElement} layer
 * @returns {{place: (points: Point[]) => void, weigh: (weights: number[] | null) => void}}  `weigh` draws the points that
 *   were placed; null for equal weights
 */
export function createDots(layer) {
  const levels = 16;
  const opacity = (level) => 0.06 + (0.84 * level) / (levels - 1);
  const paths = Array.from({ length: levels }, (_, level) => svg("path", { class: "pjap-dots", "stroke-opacity": opacity(level) }));
  layer.append(...paths);
  let places = [];
  let drawn; // the weights on show: what has not changed is not painted again
  const place = (points) => {
    places = points.map((point) => `M${onScreen(point)}h0`);
    drawn = undefined;
  };
  const weigh = (weights) => {
    if (weights === drawn) return;
    drawn = weights;
    const most = weights ? Math.max(...weights) : 1;
    const outlines = paths.map(() => "");
    places.forEach((text, i) => (outlines[weights ? Math.round((weights[i] / most) * (levels - 1)) : 7] += text));
    paths.forEach((path, level) => path.setAttribute("d", outlines[level]));
  };
  return { place, weigh };
}

/** Rings around joint actions, as the static pictures put them around the best ones. */
export function drawRings(layer, points) {
  const ring = ([cx, cy]) => svg("circle", { class: "pjap-best", cx, cy, r: 11 });
  layer.replaceChildren(...points.map((point) => ring(toScreen(point))));
}

/** The line that stands for an update in a legend. */
export function lineSwatch(name, { dashed = false } = {}) {
  const line = svg("path", { d: "M1 8H27", class: `pjap-line ${dashed ? "pjap-dashed" : ""}`, style: `color: var(--pjap-${name})` });
  return svg("svg", { class: "pjap-swatch", viewBox: "0 0 28 16", "aria-hidden": "true" }, line);
}
