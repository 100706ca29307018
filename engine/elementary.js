/**
 * Compute exp, log and sums of float64 with the same bits on every machine.
 *
 * The bits equal those of model_core/elementary.py. Math.exp and Math.log differ
 * between browsers in the last bit, and the weights computed here decide which image is
 * drawn.
 */

/**
 * ln 2 in two parts. The product of the first part and a whole number up to 2^20 is
 * exact.
 */
const [LN2_HIGH, LN2_LOW] = [6.9314718036912381649e-1, 1.90821492927058770002e-10];
/** Adding and subtracting this number rounds a float64 to a whole number. */
const ROUNDING = 1.5 * 2 ** 52;
// Coefficients of the series of atanh and exp, the highest power first.
const ATANH = Array.from({ length: 12 }, (_, i) => 1 / (2 * (11 - i) + 1));
const EXP = Array.from({ length: 14 }, (_, i) => 1 / factorial(13 - i));

const float = new Float64Array(1);
const words = new Uint32Array(float.buffer);

/**
 * Return n!.
 *
 * @param {number} n
 */
function factorial(n) {
  let product = 1;
  for (let i = 2; i <= n; i++) product *= i;
  return product;
}

/**
 * Return the value of a polynomial at x by Horner's rule.
 *
 * @param {number[]} coefficients - The highest power first.
 * @param {number} x
 */
function polynomial(coefficients, x) {
  let total = 0;
  for (const each of coefficients) total = total * x + each;
  return total;
}

/**
 * Return 2^n as a float64.
 *
 * @param {number} n - A whole number from -1022 to 1023, so that the result is a normal
 *     number.
 */
function power(n) {
  words[0] = 0;
  words[1] = (n + 1023) << 20;
  return float[0];
}

/**
 * Return e^x.
 *
 * @param {number} x - Any number but NaN. Below about -745 the result is 0; above about
 *     709.8 it is Infinity.
 * @returns {number}
 */
export function exp(x) {
  const bounded = Math.min(Math.max(x, -800), 800);
  const whole = bounded * (1 / Math.LN2) + ROUNDING - ROUNDING;
  const rest = bounded - whole * LN2_HIGH - whole * LN2_LOW;
  const part = polynomial(EXP, rest);
  const half = Math.trunc(whole / 2);
  if (whole > -1000 && whole < 1000) return part * power(whole);
  // The first product is exact, so the result is rounded once.
  return part * power(half) * power(whole - half);
}

/**
 * Return the natural logarithm of a positive finite number.
 *
 * @param {number} x - Above 0. The result is meaningless for any other number; no error
 *     is raised.
 * @returns {number}
 */
export function log(x) {
  // A subnormal number has no exponent of its own, so it is scaled first.
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

/**
 * Return the base-2 logarithm of a positive finite number.
 *
 * @param {number} x
 * @returns {number}
 */
export const log2 = (x) => log(x) / Math.LN2;

/**
 * Return the sum of numbers, rounded once, like Python's `math.fsum` (Shewchuk, 1997).
 *
 * @param {ArrayLike<number>} terms - Numbers whose partial sums do not overflow; 0 is
 *     returned if there are none. With a number that is not finite, the result is that
 *     of plain addition: an infinity or NaN.
 * @returns {number}
 */
export function exactSum(terms) {
  // The parts do not overlap, the smallest is first, and their sum is exactly the sum so far.
  /** @type {number[]} */
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

/**
 * Return the sum by ordinary addition.
 *
 * @param {ArrayLike<number>} terms
 */
const plainSum = (terms) => Array.from(terms).reduce((sum, each) => sum + each, 0);

/**
 * Return the sum of parts that do not overlap, rounded to the nearest float64. Empties
 * the array.
 *
 * @param {number[]} parts
 */
function rounded(parts) {
  let sum = parts.pop() ?? 0;
  let low = 0;
  while (parts.length && !low) {
    const [x, y] = [sum, /** @type {number} */ (parts.pop())];
    sum = x + y;
    low = y - (sum - x);
  }
  // If the rest is exactly half of the last bit, the sign of the next part decides, as
  // in math.fsum.
  const behind = parts.length ? parts[parts.length - 1] : 0;
  const isHalf = (low < 0 && behind < 0) || (low > 0 && behind > 0);
  const other = sum + low * 2;
  return isHalf && other - sum === low * 2 ? other : sum;
}

/**
 * Return ln of the sum of terms that are given as logarithms: ln(sum of e^t).
 *
 * The largest logarithm is subtracted first, so no term overflows.
 *
 * @param {ArrayLike<number>} terms - At least one logarithm, and at least one that is
 *     finite.
 * @returns {number}
 */
export function logSum(terms) {
  const top = largest(terms);
  return top + log(exactSum(Array.from(terms, (each) => exp(each - top))));
}

/**
 * Return ln of the arithmetic mean of terms that are given as logarithms.
 *
 * @param {ArrayLike<number>} terms - At least one logarithm, and at least one that is
 *     finite.
 * @returns {number}
 */
export const logMean = (terms) => logSum(terms) - logCount(terms);

/**
 * Return ln of the length of an array.
 *
 * @param {{length: number}} things - Its length must be above 0.
 * @returns {number}
 */
export const logCount = (things) => log(things.length);

/**
 * Return each term's share of the sum of all terms. The shares add up to 1, up to
 * rounding.
 *
 * @param {ArrayLike<number>} logTerms - Natural logarithms of the terms; at least one
 *     is finite, and -Infinity stands for 0.
 * @returns {number[]} Numbers from 0 to 1 in the same order.
 */
export function shares(logTerms) {
  const top = largest(logTerms);
  const terms = Array.from(logTerms, (each) => exp(each - top));
  const sum = exactSum(terms);
  return terms.map((each) => each / sum);
}

/**
 * Choose an index at random in proportion to weights.
 *
 * @param {number[]} weights - Not negative, with a sum above 0; they need not add up to
 *     1.
 * @param {number} uniform - A uniform number in [0, 1). The same number always chooses
 *     the same index.
 * @returns {number}
 */
export function chosenBy(weights, uniform) {
  let sum = 0;
  const sums = weights.map((each) => (sum += each));
  const place = uniform * sum;
  const found = sums.findIndex((each) => each > place);
  return found < 0 ? weights.length - 1 : found;
}

/**
 * Choose an index at random in proportion to weights that are given as logarithms.
 *
 * @param {ArrayLike<number>} logWeights - Natural logarithms of the weights; at least
 *     one is finite.
 * @param {number} uniform - A uniform number in [0, 1). The same number always chooses
 *     the same index.
 * @returns {number}
 */
export const chosen = (logWeights, uniform) => chosenBy(shares(logWeights), uniform);

/**
 * Return the sample standard deviation (with the divisor n - 1).
 *
 * @param {number[]} values - At least two numbers.
 * @returns {number}
 */
export function deviation(values) {
  const mean = exactSum(values) / values.length;
  const squares = values.map((each) => (each - mean) * (each - mean));
  return Math.sqrt(exactSum(squares) / (values.length - 1));
}

/**
 * Return the largest number of an array.
 *
 * @param {ArrayLike<number>} values - At least one number.
 * @returns {number}
 */
export function largest(values) {
  let top = values[0];
  for (let i = 1; i < values.length; i++) if (values[i] > top) top = values[i];
  return top;
}

/**
 * Return the index of the largest number; of several equal ones, the first.
 *
 * @param {ArrayLike<number>} values - At least one number.
 * @returns {number}
 */
export const argmax = (values) => Array.prototype.indexOf.call(values, largest(values));
