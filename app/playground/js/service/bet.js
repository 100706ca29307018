/**
 * A bet against the network. Knows no element.
 *
 * At some pixels of a picture the reader and the network state how likely white is, and
 * pay the surprise of the true colour in bits.
 */

import { chanceOfWhite } from "./drawing.js";

/** @import {Drawing} from "./drawing.js" */

/** Bets of a game. */
export const ROUNDS = 20;
/**
 * Pixels at which the network gives a colour less than this probability are skipped: it
 * would nearly always be right.
 */
const OBVIOUS = 0.2;
/**
 * Difference of probabilities that counts as being as good as the network: ten
 * percentage points.
 */
const CLOSE = 0.1;
/**
 * Least probability that a reader is charged for: betting everything on one colour
 * would cost an infinite number of bits.
 */
const SURE = 0.01;
/** Tolerance of comparisons: sums of hundredths are not exact. */
const EXACT = 1e-9;

/**
 * One game of bets on the pixels of one drawing.
 *
 * `rounds` are the pixels, in the order of drawing; `next` is the pixel of the next
 * bet, null after the last; `settle(chance)` settles it. `count` bets are settled;
 * `bills` are the bits that the reader (`mine`) and the network (`theirs`) have paid;
 * `marks` says for each bet whether the reader was about as good as the network.
 */
export class Bet {
  /**
   * @param {Drawing} drawing - A black and white picture with the bits of each pixel.
   * @param {number} most - Number of bets, at most.
   */
  constructor({ picture, bits }, most) {
    const { width, height, data } = picture;
    const all = Array.from({ length: width * height }, (_, at) => {
      const chance = chanceOfWhite(picture, bits ?? [], at);
      return { at, chance, isWhite: data[4 * at] > 127 };
    });
    const doubtful = all.filter(({ chance }) => chance >= OBVIOUS && chance <= 1 - OBVIOUS);
    const many = Math.min(most, all.length);
    if (doubtful.length < many) {
      const byDoubt = [...all].sort((a, b) => Math.abs(a.chance - 0.5) - Math.abs(b.chance - 0.5) || a.at - b.at);
      this.rounds = byDoubt.slice(0, many).sort((a, b) => a.at - b.at);
      return;
    }
    // Evenly spread over the picture, and the same for everybody who bets on it.
    this.rounds = Array.from({ length: many }, (_, k) => doubtful[Math.floor((k * doubtful.length) / many)]);
  }

  /** Number of bets that are settled. */
  count = 0;
  /** Bits that the reader and the network have paid. */
  bills = { mine: 0, theirs: 0 };
  /** For each settled bet, whether the reader was about as good as the network, or better. @type {boolean[]} */
  marks = [];

  /**
   * Return the pixel of the next bet: index, the network's probability of white, and
   * whether it is white; null after the last.
   */
  get next() {
    return this.rounds[this.count] ?? null;
  }

  /**
   * Settle the next bet.
   *
   * @param {number} chance - The reader's probability of white, 0 to 1.
   * @returns {{isWhite: boolean, mine: number, theirs: number}} The true colour, and
   *     the bits that the bet costs the reader and the network.
   */
  settle(chance) {
    const { chance: expected, isWhite } = this.rounds[this.count];
    const cost = { isWhite, mine: price(clamp(chance), isWhite), theirs: price(expected, isWhite) };
    this.count += 1;
    this.bills.mine += cost.mine;
    this.bills.theirs += cost.theirs;
    const [mine, theirs] = [chance, expected].map((white) => (isWhite ? white : 1 - white));
    this.marks.push(mine >= theirs - CLOSE - EXACT);
    return cost;
  }

  /** Return the marks as green and red squares, to be pasted. */
  get squares() {
    return this.marks.map((isGood) => (isGood ? "🟩" : "🟥")).join("");
  }
}

/**
 * Return the surprise of a colour in bits.
 *
 * @param {number} chance - Probability of white.
 * @param {boolean} isWhite
 * @returns {number}
 */
function price(chance, isWhite) {
  return -Math.log2(isWhite ? chance : 1 - chance);
}

/**
 * Return a probability that is neither 0 nor 1.
 *
 * @param {number} chance
 */
function clamp(chance) {
  return Math.min(1 - SURE, Math.max(SURE, chance));
}
