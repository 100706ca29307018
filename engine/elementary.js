/** exp, log and sums of float64 with the bits that model_core/elementary.py gives: weights decide what is drawn. */

/** ln 2 in two parts: a whole number up to 2^20 times the first one is exact. */
const [LN2_HIGH, LN2_LOW] = [6.9314718036912381649e-1, 1.90821492927058770002e-10];
/** To add and take away again rounds to a whole number. */
const ROUNDING = 1.5 * 2 ** 52;
const ATANH = Array.from({ length: 12 }, (_, i) => 1 / (2 * (11 - i) + 1));
const EXP = Array.from({ length: 14 }, (_, i) => 1 / factorial(13 - i));

const float = new Float64Array(1);
const words = new Uint32Array(float.buffer);

/** @param {number} n */
function factorial(n) {
  let product = 1;
  for (let i = 2; i <= n; i++) product *= i;
  return product;
}

/**
 * @param {number[]} coefficients - the highest first
 * @param {number} x
 */
function polynomial(coefficients, x) {
  let total = 0;
  for (const each of coefficients) total = total * x + each;
  return total;
}

/**
 * 2^n, of a normal number.
 *
 * @param {number} n
 */
function power(n) {
  words[0] = 0;
  words[1] = (n + 1023) << 20;
  return float[0];
}

/**
 * e^x; 0 of -Infinity and of what is below -745, Infinity of what is above 709.
 *
 * @param {number} x
 */
export function exp(x) {
  const bounded = Math.min(Math.max(x, -800), 800);
  const whole = bounded * (1 / Math.LN2) + ROUNDING - ROUNDING;
  const rest = bounded - whole * LN2_HIGH - whole * LN2_LOW;
  const part = polynomial(EXP, rest);
  const half = Math.trunc(whole / 2);
  if (whole > -1000 && whole < 1000) return part * power(whole);
  return part * power(half) * power(whole - half); // the first product is exact, so one rounding is left
}

/**
 * ln x of x > 0.
 *
 * @param {number} x
 */
export function log(x) {
  const isSmall = x < 2 ** -1022;
  float[0] = isSmall ? x * 2 ** 54 : x;
  const exponent = ((words[1] >>> 20) & 0x7ff) - 1022 - (isSmall ? 54 : 0);
  words[1] = (words[1] & 0x800fffff) | 0x3fe00000;
  const doubled = float[0] < Math.SQRT1_2;
  const fraction = doubled ? 2 * float[0] : float[0];
  const times = exponent - Number(doubled);
  const s = (fraction - 1) / (fraction + 1);
  return times * LN2_HIGH + (times * LN2_LOW + 2 * s * polynomial(ATANH, s * s));
}

/** @param {number} x */
export const log2 = (x) => log(x) / Math.LN2;

/**
 * A sum that is rounded once (Shewchuk, 1997), as Python's math.fsum.
 *
 * @param {ArrayLike<number>} terms
 */
export function exactSum(terms) {
  /** @type {number[]} - whose sum is exact, the smallest first, no two of which overlap */
  const parts = [];
  for (let at = 0; at < terms.length; at++) {
    let [x, count] = [terms[at], 0];
    if (!Number.isFinite(x)) return plainSum(terms);
    for (const y of [...parts]) {
      const high = x + y;
      const low = Math.abs(x) < Math.abs(y) ? x - (high - y) : y - (high - x);
      if (low) parts[count++] = low;
      x = high;
    }
    parts.length = count;
    if (x) parts.push(x);
  }
  return rounded(parts);
}

/** @param {ArrayLike<number>} terms */
const plainSum = (terms) => Array.from(terms).reduce((sum, each) => sum + each, 0);

/** @param {number[]} parts */
function rounded(parts) {
  let sum = parts.pop() ?? 0;
  let low = 0;
  while (parts.length && !low) {
    const [x, y] = [sum, /** @type {number} */ (parts.pop())];
    sum = x + y;
    low = y - (sum - x);
  }
  const behind = parts.length ? parts[parts.length - 1] : 0;
  const isHalf = (low < 0 && behind < 0) || (low > 0 && behind > 0);
  const other = sum + low * 2;
  return isHalf && other - sum === low * 2 ? other : sum;
}

/**
 * ln of a sum, given the logarithms of its terms.
 *
 * @param {ArrayLike<number>} terms
 */
export function logSum(terms) {
  const top = largest(terms);
  return top + log(exactSum(Array.from(terms, (each) => exp(each - top))));
}

/** @param {ArrayLike<number>} terms */
export const logMean = (terms) => logSum(terms) - logCount(terms);

/** @param {{length: number}} things */
export const logCount = (things) => log(things.length);

/**
 * Terms, given by their logarithms, as parts of their sum.
 *
 * @param {ArrayLike<number>} logTerms
 */
export function shares(logTerms) {
  const top = largest(logTerms);
  const terms = Array.from(logTerms, (each) => exp(each - top));
  const sum = exactSum(terms);
  return terms.map((each) => each / sum);
}

/**
 * The one of several that a uniform number in [0, 1) chooses by their weights.
 *
 * @param {number[]} weights
 * @param {number} uniform
 */
export function chosenBy(weights, uniform) {
  let sum = 0;
  const sums = weights.map((each) => (sum += each));
  const place = uniform * sum;
  const found = sums.findIndex((each) => each > place);
  return found < 0 ? weights.length - 1 : found;
}

/**
 * The same by the logarithms of their weights.
 *
 * @param {ArrayLike<number>} logWeights
 * @param {number} uniform
 */
export const chosen = (logWeights, uniform) => chosenBy(shares(logWeights), uniform);

/**
 * The standard deviation of what several values, two at least, are drawn from.
 *
 * @param {number[]} values
 */
export function deviation(values) {
  const mean = exactSum(values) / values.length;
  const squares = values.map((each) => (each - mean) * (each - mean));
  return Math.sqrt(exactSum(squares) / (values.length - 1));
}

/** @param {ArrayLike<number>} values */
export function largest(values) {
  let top = values[0];
  for (let i = 1; i < values.length; i++) if (values[i] > top) top = values[i];
  return top;
}

/**
 * The number of the first of the largest.
 *
 * @param {ArrayLike<number>} values
 */
export const argmax = (values) => Array.prototype.indexOf.call(values, largest(values));
