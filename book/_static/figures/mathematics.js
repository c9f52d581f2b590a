/* The package's mathematics for the figures: games of two players, updates, learning.
 *
 * Mirrored from code/pjap/priorities.py and code/pjap/games/{polynomial,updates,learning,theory}.py, and compared with
 * fixtures which the package writes (tests/book/test_figure_mathematics.py). Two players only.
 *
 * A game is { coefficients }, coefficients[k][l] the weight of x^k y^l. A joint action, a joint policy and a gradient
 * are pairs [x, y]; a dataset is an array of such pairs; a number for each of its rows is a Float64Array. Settings are
 * { steepness, exponent, floor }.
 * Functions are pure, and do not check what they are given: the figures hand in finite numbers in range.
 */

export const DEFAULTS = Object.freeze({ steepness: 4, exponent: 1, floor: 1e-4 });

function sum(values) {
  let total = 0;
  for (let i = 0; i < values.length; i += 1) total += values[i];
  return total;
}
function dot(weights, values) {
  let total = 0;
  for (let i = 0; i < values.length; i += 1) total += weights[i] * values[i];
  return total;
}
function greatest(values) {
  let most = values[0];
  for (let i = 1; i < values.length; i += 1) most = Math.max(most, values[i]);
  return most;
}
const square = (value) => value * value;
const clip = (value, low, high) => Math.min(Math.max(value, low), high);

/** A polynomial, lowest power first, at a point: Horner's rule. */
export function evaluate(polynomial, at) {
  return polynomial.reduceRight((value, coefficient) => value * at + coefficient, 0);
}

/** The derivative of a polynomial, lowest power first. */
export function differentiate(polynomial) {
  return polynomial.slice(1).map((coefficient, k) => (k + 1) * coefficient);
}

/** 1, a, a^2, ...: as many powers as the game has for that player (0 is X, 1 is Y). */
function powers(game, player, action) {
  const count = player === 0 ? game.coefficients.length : game.coefficients[0].length;
  const result = [1];
  while (result.length < count) result.push(result[result.length - 1] * action);
  return result;
}

/** The reward as a polynomial in one player's own action, given the other's powers, or the means of those. */
function ownPolynomial(game, player, moments) {
  const { coefficients } = game;
  if (player === 0) return coefficients.map((row) => sum(row.map((c, l) => c * moments[l])));
  return coefficients[0].map((_, l) => sum(coefficients.map((row, k) => row[l] * moments[k])));
}

/** The team's reward R(x, y). */
export function reward(game, [x, y]) {
  return evaluate(ownPolynomial(game, 0, powers(game, 1, y)), x);
}

/** The gradient of the reward at the current joint policy. */
export function trueGradient(game, policy) {
  return [0, 1].map((player) => {
    const other = powers(game, 1 - player, policy[1 - player]);
    return evaluate(differentiate(ownPolynomial(game, player, other)), policy[player]);
  });
}

/** sum_m P(a_m) a_m^l for each power l that the game has of that player's action. */
export function moments(game, player, data, probabilities) {
  const result = new Float64Array(powers(game, player, 0).length);
  for (let m = 0; m < data.length; m += 1) {
    const action = data[m][player];
    let term = probabilities[m];
    for (let l = 0; l < result.length; l += 1) {
      result[l] += term;
      term *= action;
    }
  }
  return result;
}

/** What each player climbs, differentiated: a polynomial in its own action, given the moments of X's and of Y's. */
function averagedSlopes(game, momentsOf) {
  return [0, 1].map((player) => differentiate(ownPolynomial(game, player, momentsOf[1 - player])));
}

/** Each player's gradient with the other replayed from the data: sum_m P(a_m) d_i R(mu_i, a_m,-i). */
export function replayedGradient(game, policy, data, probabilities) {
  const momentsOf = [0, 1].map((player) => moments(game, player, data, probabilities));
  return evaluateBoth(averagedSlopes(game, momentsOf), policy);
}

/** Best Response Under Data: all rows alike. */
export function brudGradient(game, policy, data) {
  return replayedGradient(game, policy, data, uniformProbabilities(data));
}

export function uniformProbabilities(data) {
  return new Float64Array(data.length).fill(1 / data.length);
}

/** Midpoints of side x side cells of the square, row by row, as the book's even grids. */
export function evenGrid(side) {
  const centres = Array.from({ length: side }, (_, i) => ((i + 0.5) / side) * 2 - 1);
  return centres.flatMap((y) => centres.map((x) => [x, y]));
}

/** Mean absolute difference between each recorded joint action and the policy's. */
export function jointActionDistance(data, [x, y]) {
  const distances = new Float64Array(data.length);
  for (let m = 0; m < data.length; m += 1) distances[m] = (Math.abs(data[m][0] - x) + Math.abs(data[m][1] - y)) / 2;
  return distances;
}

/** clip(exp(-(steepness * d)^2), floor, 1) for each distance. */
export function proximalPriorities(distances, { steepness = DEFAULTS.steepness, floor = DEFAULTS.floor } = {}) {
  const priorities = new Float64Array(distances.length);
  for (let m = 0; m < distances.length; m += 1) priorities[m] = priorityAt(distances[m], steepness, floor);
  return priorities;
}

function priorityAt(distance, steepness, floor) {
  return clip(Math.exp(-square(steepness * distance)), floor, 1);
}

/** Priorities to the power exponent, normalised. */
export function samplingProbabilities(priorities, { exponent = DEFAULTS.exponent } = {}) {
  const largest = greatest(priorities);
  const weights = new Float64Array(priorities.length);
  for (let m = 0; m < priorities.length; m += 1) {
    const share = priorities[m] / largest;
    weights[m] = share ** exponent;
  }
  const total = sum(weights);
  for (let m = 0; m < weights.length; m += 1) weights[m] /= total;
  return weights;
}

/** The probability with which PJAP draws each row at this joint policy. */
export function proximalProbabilities(policy, data, settings = {}) {
  return samplingProbabilities(proximalPriorities(jointActionDistance(data, policy), settings), settings);
}

/** The expected update of Proximal Joint-Action Prioritisation. */
export function pjapGradient(game, policy, data, settings = {}) {
  return replayedGradient(game, policy, data, proximalProbabilities(policy, data, settings));
}

/** One of the three updates by its name, for many policies: from a joint policy to its gradient, and to the mean distance
 * and Kish's effective sample size, (sum w)^2 / sum w^2, of what it learns from (0 for "true", which learns from no data).
 *
 * What pjapGradient and proximalProbabilities give, but learning does it hundreds of times in a frame: whatever no policy
 * changes is computed once.
 */
export function updateOf(game, data, update, settings) {
  if (update === "true") return (policy) => ({ gradient: trueGradient(game, policy), distance: 0, size: 0 });
  const columns = [0, 1].map((player) => Float64Array.from(data, (action) => action[player]));
  const tables = [0, 1].map((player) => columnsOfPowers(game, player, columns[player]));
  const weights = new Float64Array(data.length).fill(1);
  if (update === "brud") {
    const slopes = averagedSlopes(game, momentsUnder(weights, data.length, tables)); // the players are decoupled
    return (policy) => ({
      gradient: evaluateBoth(slopes, policy),
      get distance() {
        return meanDistance(columns, policy); // asked for by learn() only
      },
      size: data.length,
    });
  }
  const all = { ...DEFAULTS, ...settings };
  return (policy) => {
    const { total, squares, apart } = weigh(weights, columns, policy, all);
    const gradient = evaluateBoth(averagedSlopes(game, momentsUnder(weights, total, tables)), policy);
    return { gradient, distance: apart / total, size: square(total) / squares };
  };
}

/** Into `weights` each row's weight at this policy, not normalised; gives sums of the weights, of their squares, and of
 * weights times distances.
 */
function weigh(weights, [xs, ys], [x, y], { steepness, exponent, floor }) {
  const lowest = floor ** exponent;
  let [total, squares, apart] = [0, 0, 0];
  for (let m = 0; m < weights.length; m += 1) {
    const distance = (Math.abs(xs[m] - x) + Math.abs(ys[m] - y)) / 2;
    const weight = Math.max(Math.exp(-exponent * square(steepness * distance)), lowest); // priorityAt to the exponent
    weights[m] = weight;
    total += weight;
    squares += weight * weight;
    apart += weight * distance;
  }
  return { total, squares, apart };
}

function meanDistance([xs, ys], [x, y]) {
  let total = 0;
  for (let m = 0; m < xs.length; m += 1) total += Math.abs(xs[m] - x) + Math.abs(ys[m] - y);
  return total / (2 * xs.length);
}

/** One player's actions to each power that the game has. */
function columnsOfPowers(game, player, actions) {
  const columns = [new Float64Array(actions.length).fill(1)];
  while (columns.length < powers(game, player, 0).length) {
    columns.push(columns[columns.length - 1].map((power, m) => power * actions[m]));
  }
  return columns;
}

/** The moments of X's and of Y's actions under weights of that total. */
function momentsUnder(weights, total, tables) {
  return tables.map((columns) => columns.map((column) => dot(weights, column) / total));
}

function evaluateBoth(slopes, policy) {
  return slopes.map((slope, player) => evaluate(slope, policy[player]));
}

/** Gradient ascent on the square: mu <- clip(mu + stepSize * update, -1, 1), with exact expectations over the data.
 *
 * update is "true", "brud" or "pjap"; players is "both", "x" or "y": who moves.
 * Returns policies and rewards at steps 0 to T; for each step the mean distance and the effective sample size of what it
 * learnt from.
 */
export function learn(game, data, start, options) {
  const { update, steps = 100, stepSize = 0.02, players = "both", ...settings } = options;
  const move = updateOf(game, data, update, settings);
  const [moveX, moveY] = [players !== "y", players !== "x"];
  let policy = start;
  const [policies, distances, sizes] = [[policy], [], []];
  for (let step = 0; step < steps; step += 1) {
    const { gradient, distance, size } = move(policy);
    distances.push(distance);
    sizes.push(size);
    policy = [
      moveX ? clip(policy[0] + stepSize * gradient[0], -1, 1) : policy[0],
      moveY ? clip(policy[1] + stepSize * gradient[1], -1, 1) : policy[1],
    ];
    policies.push(policy);
  }
  return { policies, rewards: policies.map((at) => reward(game, at)), distances, sizes };
}

/** Where learn() ends, without its history, for portraits: they need many ends and no paths.
 *
 * Stops early where it comes to rest, close to where it would have ended.
 */
export function destination(game, data, start, options) {
  const { update, steps = 100, stepSize = 0.02, ...settings } = options;
  const move = updateOf(game, data, update, settings);
  let [x, y] = start;
  for (let step = 0; step < steps; step += 1) {
    const { gradient } = move([x, y]);
    const next = [clip(x + stepSize * gradient[0], -1, 1), clip(y + stepSize * gradient[1], -1, 1)];
    const moved = Math.abs(next[0] - x) + Math.abs(next[1] - y);
    [x, y] = next;
    if (moved < 1e-7) break;
  }
  return [x, y];
}

/** The best joint actions, each once: ends of the true gradient's flow from an even grid of starts. */
export function bestJointActions(game) {
  const ends = evenGrid(6).map((start) => destination(game, [], start, { update: "true", steps: 400, stepSize: 0.05 }));
  const best = Math.max(...ends.map((end) => reward(game, end)));
  const found = [];
  for (const end of ends) {
    const known = found.some((other) => Math.abs(other[0] - end[0]) + Math.abs(other[1] - end[1]) < 1e-3);
    if (!known && reward(game, end) > best - 1e-6) found.push(end);
  }
  return found;
}

/** The derivative of PJAP's update with respect to the joint policy, [[xx, xy], [yx, yy]]. */
export function pjapJacobian(game, policy, data, settings = {}) {
  const { steepness, exponent, floor } = { ...DEFAULTS, ...settings };
  const probabilities = proximalProbabilities(policy, data, settings);
  const distances = jointActionDistance(data, policy);
  // d log rho^p / d mu_j, 0 at the floor; its mean is taken off, so that products with it are covariances.
  const slopes = [0, 1].map((j) => {
    const slope = data.map((action, m) =>
      priorityAt(distances[m], steepness, floor) > floor
        ? exponent * steepness ** 2 * distances[m] * Math.sign(action[j] - policy[j])
        : 0,
    );
    const mean = sum(slope.map((value, m) => probabilities[m] * value));
    return slope.map((value) => value - mean);
  });
  // A replayed gradient is linear in the weights, so that weights times slopes give the covariances.
  const [byX, byY] = slopes.map((slope) => {
    return replayedGradient(game, policy, data, slope.map((value, m) => probabilities[m] * value));
  });
  const curvature = [0, 1].map((i) => {
    const own = ownPolynomial(game, i, moments(game, 1 - i, data, probabilities));
    return evaluate(differentiate(differentiate(own)), policy[i]);
  });
  return [
    [byX[0] + curvature[0], byY[0]],
    [byX[1], byY[1] + curvature[1]],
  ];
}

/** The largest real part of the Jacobian's eigenvalues: above 0 the team leaves a point at which it rests. */
export function leadingEigenvalue(game, policy, data, settings = {}) {
  const [[a, b], [c, d]] = pjapJacobian(game, policy, data, settings);
  const discriminant = square(a - d) / 4 + b * c;
  return (a + d) / 2 + Math.sqrt(Math.max(discriminant, 0));
}

/** The least steepness at which PJAP leaves a resting point that attracts BRUD; NaN if none up to `most` does. */
export function criticalSteepness(game, policy, data, { most = 50, ...settings } = {}) {
  const leaves = (steepness) => leadingEigenvalue(game, policy, data, { ...settings, steepness }) > 0;
  if (leaves(0)) return 0;
  const cells = 200;
  let above = 1;
  while (above <= cells && !leaves((most * above) / cells)) above += 1;
  if (above > cells) return NaN;
  let [low, high] = [(most * (above - 1)) / cells, (most * above) / cells];
  for (let halving = 0; halving < 40; halving += 1) {
    const middle = (low + high) / 2;
    [low, high] = leaves(middle) ? [low, middle] : [middle, high];
  }
  return high;
}
