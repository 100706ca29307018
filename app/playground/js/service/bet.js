/** A bet against the network: at some pixels of a picture both say how likely white is, and pay for what comes in bits. Knows no element. */

import { chanceOfWhite } from "./written.js";

/** @import {Written} from "./written.js" */

export const ROUNDS = 20;
/** Who is surer than this of black or of white does not bet: from all others, one after the other all over the picture. */
const OBVIOUS = 0.04;
/** Nobody is ever quite sure: who bets everything on one colour would pay without end. */
const SURE = 0.01;

export class Bet {
  /** @param {Written} written of black and white, in one order @param {number} most bets */
  constructor({ picture, bits }, most) {
    const { width, height, data } = picture;
    const all = Array.from({ length: width * height }, (_, at) => {
      const chance = chanceOfWhite(picture, bits ?? [], at);
      return { at, chance, isWhite: data[4 * at] > 127 };
    });
    const doubtful = all.filter(({ chance }) => chance > OBVIOUS && chance < 1 - OBVIOUS);
    const many = Math.min(most, doubtful.length);
    this.rounds = Array.from({ length: many }, (_, k) => doubtful[Math.floor((k * doubtful.length) / many)]);
  }

  /** How many are settled. */
  settled = 0;
  /** What each has paid, in bits. */
  bills = { mine: 0, theirs: 0 };
  /** A square for each bet: green where the reader was the nearer one. */
  squares = "";

  /** The pixel that is bet on next, or null after the last. */
  get next() {
    return this.rounds[this.settled] ?? null;
  }

  /** @param {number} chance of white, 0 to 1 @returns {{isWhite: boolean, mine: number, theirs: number}} what came, and what it cost each */
  settle(chance) {
    const { chance: expected, isWhite } = this.rounds[this.settled];
    const cost = { isWhite, mine: price(held(chance), isWhite), theirs: price(expected, isWhite) };
    this.settled += 1;
    this.bills.mine += cost.mine;
    this.bills.theirs += cost.theirs;
    this.squares += cost.mine < cost.theirs ? "🟩" : "🟥";
    return cost;
  }
}

/** @param {number} chance of white @param {boolean} isWhite @returns {number} bits */
function price(chance, isWhite) {
  return -Math.log2(isWhite ? chance : 1 - chance);
}

/** @param {number} chance */
function held(chance) {
  return Math.min(1 - SURE, Math.max(SURE, chance));
}
