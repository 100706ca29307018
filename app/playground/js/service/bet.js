/**
 * The game "How likely is white?". Knows no element.
 *
 * At some pixels of a picture the reader states how likely white is; what counts is the
 * distance to the chance that the network gave, whatever colour was drawn.
 */

import { chanceOfWhite } from "./drawing.js";

/** @import {Drawing} from "./drawing.js" */

/** Bets of a game. */
export const ROUNDS = 20;
/** Pixels at which the network gives a colour less than this probability are skipped: they are obvious. */
const OBVIOUS = 0.05;
/** Difference of probabilities that counts as close: ten percentage points. */
const CLOSE = 0.1;
/** Tolerance of comparisons: differences of hundredths are not exact. */
const EXACT = 1e-9;

/**
 * One game of bets on the pixels of one drawing. `rounds` are the pixels, in the order of
 * drawing.
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

  /** For each settled bet, the distance of the reader's probability to the network's, 0 to 1. @type {number[]} */
  distances = [];

  /**
   * Return the pixel of the next bet: index, the network's probability of white, and
   * whether it is white; null after the last.
   */
  get next() {
    return this.rounds[this.distances.length] ?? null;
  }

  /**
   * Settle the next bet.
   *
   * @param {number} chance - The reader's probability of white, 0 to 1.
   */
  settle(chance) {
    const round = this.rounds[this.distances.length];
    this.distances.push(Math.abs(chance - round.chance));
  }

  /** Return for each settled bet whether the reader was close to the network. */
  get marks() {
    return this.distances.map((distance) => distance <= CLOSE + EXACT);
  }

  /** Return the mean distance of the settled bets in percentage points; 0 before the first. */
  get away() {
    return (100 * this.distances.reduce((sum, distance) => sum + distance, 0)) / Math.max(1, this.distances.length);
  }
}
