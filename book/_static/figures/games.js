// The games of the figures, and the one that a reader types.

const HIGHEST_POWER = 6;
const LARGEST_COEFFICIENT = 100;

/** From a name in the URL to the game. `make` is the function of pjap.games that makes the same one. */
export const GAMES = {
  "sign-agreement": {
    title: "sign agreement: xy",
    make: "sign_agreement",
    coefficients: [
      [0, 0],
      [0, 1],
    ],
  },
  "twin-peaks": {
    title: "twin peaks: 5xy − x² − y² − 4x²y²",
    make: "twin_peaks",
    coefficients: [
      [0, 0, -1],
      [0, 5, 0],
      [-1, 0, -4],
    ],
  },
};

/**
 * Read a reward such as "5xy - x^2 - y^2 - 4x^2y^2".
 *
 * @param {string} text  terms of x and y, joined by + and -; `*` between factors and blanks are allowed
 * @returns {{coefficients: number[][]}}  a game of its own: coefficients[k][l] multiplies x^k y^l
 * @throws {Error}  with a message for the reader, if the text is anything else
 */
export function parseGame(text) {
  const terms = [];
  const term = /\s*([+\-\u2212]?)\s*(\d+(?:\.\d*)?|\.\d+)?((?:\s*\*?\s*[xy](?:\s*\^\s*\d+)?)*)\s*/y;
  while (term.lastIndex < text.length || terms.length === 0) {
    const start = term.lastIndex;
    const [whole, sign, number, factors] = term.exec(text);
    const starred = number === undefined && /^\s*\*/.test(factors);
    if ((number === undefined && !factors) || (terms.length && !sign) || starred) {
      const rest = text.slice(start).trim();
      throw new Error(`${rest ? `Cannot read “${rest}”.` : "A term is missing."} Write terms of x and y, such as 5xy - x^2 - 4x^2y^2.`);
    }
    terms.push({ coefficient: (sign && sign !== "+" ? -1 : 1) * Number(number ?? 1), ...powersOf(factors) });
    term.lastIndex = start + whole.length;
  }
  return { coefficients: collect(terms) };
}

function powersOf(factors) {
  const powers = { x: 0, y: 0 };
  for (const [, name, power] of factors.matchAll(/([xy])(?:\s*\^\s*(\d+))?/g)) powers[name] += Number(power ?? 1);
  return powers;
}

function collect(terms) {
  const highest = { x: Math.max(...terms.map((term) => term.x)), y: Math.max(...terms.map((term) => term.y)) };
  if (Math.max(highest.x, highest.y) > HIGHEST_POWER) {
    throw new Error(`The power ${Math.max(highest.x, highest.y)} is too high. Use powers up to ${HIGHEST_POWER}.`);
  }
  const coefficients = Array.from({ length: highest.x + 1 }, () => new Array(highest.y + 1).fill(0));
  for (const { coefficient, x, y } of terms) coefficients[x][y] += coefficient;
  const largest = Math.max(...coefficients.flat().map(Math.abs));
  if (largest > LARGEST_COEFFICIENT) {
    throw new Error(`The coefficient ${largest} is too large. Use coefficients from -${LARGEST_COEFFICIENT} to ${LARGEST_COEFFICIENT}.`);
  }
  return coefficients;
}

/** Python that makes the game, and the name which that needs from pjap.games. */
export function gamePython(game) {
  if (game.make) return { name: game.make, expression: `${game.make}()` };
  return { name: "PolynomialGame", expression: `PolynomialGame(${pythonList(game.coefficients)})` };
}

/** Nested arrays of numbers as Python lists. */
export function pythonList(value) {
  return Array.isArray(value) ? `[${value.map(pythonList).join(", ")}]` : String(value);
}
