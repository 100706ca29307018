/** A bet against the network: at some pixels of a picture both say how likely white is, and pay for what comes in bits. Knows no element. */

import { chanceOfWhite } from "./drawing.js";

/** @import {Drawing} from "./drawing.js" */

export const ROUNDS = 20;
/** Pixels of which the network is surer than this, of black or of white, are no bet: it would nearly always be right. */
const OBVIOUS = 0.2;
/** Who says a probability that is so much worse than the network's was as good as it: ten percentage points. */
const CLOSE = 0.1;
/** Nobody is ever quite sure: who bets everything on one colour would pay without end. */
const SURE = 0.01;
/** Sums of hundredths are no exact numbers. */
const EXACT = 1e-9;

export class Bet {
  /** @param {Drawing} drawing of black and white, in one order @param {number} most bets */
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
    // One after the other all over the picture, the same for everybody.
    this.rounds = Array.from({ length: many }, (_, k) => doubtful[Math.floor((k * doubtful.length) / many)]);
  }

  /** How many are settled. */
  count = 0;
  /** What each has paid, in bits. */
  bills = { mine: 0, theirs: 0 };
  /** Of each bet, whether the reader was about as good as the network, or better. @type {boolean[]} */
  marks = [];

  /** The pixel that is bet on next, or null after the last. */
  get next() {
    return this.rounds[this.count] ?? null;
  }

  /** @param {number} chance of white, 0 to 1 @returns {{isWhite: boolean, mine: number, theirs: number}} what came, and what it cost each */
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

  /** The marks as squares, to be pasted. */
  get squares() {
    return this.marks.map((isGood) => (isGood ? "🟩" : "🟥")).join("");
  }
}

/** @param {number} chance of white @param {boolean} isWhite @returns {number} bits */
function price(chance, isWhite) {
  return -Math.log2(isWhite ? chance : 1 - chance);
}

/** @param {number} chance */
function clamp(chance) {
  return Math.min(1 - SURE, Math.max(SURE, chance));
}
