/** What a picture that is being drawn can still become: the mean of many endings from a pixel on, and some of them. */

import { LatestRequest } from "../signal.js";
import { completionsFrom } from "./drawing.js";

/** @import {Backend} from "./backend.js" */
/** @import {Model, Size} from "../types" */

/**
 * @typedef {object} Forecast
 * @property {number} from the first pixel that is not drawn
 * @property {ImageData} mean of all endings
 * @property {ImageData[]} completions some of them
 */

const SHOWN = 3;
/** So many endings make a fog: as many as are drawn about as fast as one looks. Those of a mixture take particles. */
const MOST = 32;
const FEWEST = 4;
const USUAL_COLOURS = 28_000;
const SLOW_S = 1.2;
const FAST_S = 0.4;
/** Rows between two forecasts while it is drawn, and how far ahead of the drawing they are asked for. */
const EVERY = 2;
const AHEAD = 4;

export class Forecasts {
  /**
   * @param {ImageData} picture
   * @param {Forecast[]} forecasts those that are known
   * @param {{backend: Backend, model: Model} | null} source of more; null = there are no more
   */
  constructor(picture, forecasts, source) {
    this.#picture = picture;
    this.forecasts = forecasts;
    this.#source = source;
    const { channels = 1, members = [] } = source?.model ?? {};
    this.#most = members.length > 1 ? FEWEST : MOST;
    const usual = Math.floor(USUAL_COLOURS / (picture.width * picture.height * channels));
    this.#many = Math.max(FEWEST, Math.min(usual, this.#most));
  }

  /** Called when another one is known. */
  onNews = () => {};
  /** In no order. @type {Forecast[]} */
  forecasts;

  #picture;
  #source;
  #many;
  #most;
  #asking = new LatestRequest();
  #isAsking = false;
  /** How long an answer takes. */
  #lastsS = 0;

  /** The last one that knows no more than what is drawn. @param {number} at how many pixels are @returns {Forecast | null} */
  before(at) {
    const earlier = this.forecasts.filter(({ from }) => from <= at).sort((a, b) => b.from - a.from);
    return earlier[0] ?? null;
  }

  /** While it is drawn: the next one that will be in time, if none is on its way. @param {number} at @param {number} rate in pixels a second */
  follow(at, rate) {
    const { width, height } = this.#picture;
    const row = EVERY * Math.ceil((at + rate * this.#lastsS) / width / EVERY);
    for (let next = row; next < Math.min(height, row + AHEAD); next += EVERY) {
      if (!this.forecasts.some(({ from }) => from === next * width)) return this.#ask(next * width);
    }
  }

  /** Where it rests: exactly from there. Resolves as soon as that is known, or cannot be. @param {number} at */
  async seek(at) {
    const { width, height } = this.#picture;
    if (at < width * height && !this.forecasts.some(({ from }) => from === at)) await this.#ask(at, true);
  }

  /** More or fewer endings next time. @param {number} lasted in seconds */
  #suit(lasted) {
    this.#lastsS = lasted;
    if (lasted > SLOW_S) this.#many = Math.max(FEWEST, this.#many >> 1);
    if (lasted < FAST_S) this.#many = Math.min(this.#most, this.#many << 1);
  }

  /** Nobody looks any more. */
  stop() {
    this.#asking.start();
    this.#isAsking = false;
  }

  /** @param {number} from @param {boolean} isUrgent whether it takes the place of one that is on its way */
  async #ask(from, isUrgent = false) {
    const source = this.#source;
    if (!source || (this.#isAsking && !isUrgent)) return;
    const signal = this.#asking.start();
    this.#isAsking = true;
    const begun = performance.now();
    try {
      this.forecasts.push(await forecastFrom(source, this.#picture, from, this.#many, signal));
      this.#isAsking = false;
      this.#suit((performance.now() - begun) / 1000);
      this.onNews();
    } catch {
      if (signal.aborted) return;
      this.#isAsking = false;
      this.#source = null; // the picture is drawn without it
    }
  }
}

/**
 * @param {{backend: Backend, model: Model}} source
 * @param {ImageData} picture
 * @param {number} from
 * @param {number} many endings
 * @param {AbortSignal} signal
 * @returns {Promise<Forecast>}
 */
async function forecastFrom({ backend, model }, picture, from, many, signal) {
  const { images } = await completionsFrom(backend, model, picture, from, many, { signal });
  signal.throwIfAborted();
  return { from, mean: meanOf(images), completions: images.slice(0, SHOWN) };
}

/** @param {ImageData[]} pictures */
function meanOf(pictures) {
  const [{ width, height }] = pictures;
  const mean = new ImageData(width, height);
  for (let i = 0; i < mean.data.length; i += 1) {
    mean.data[i] = pictures.reduce((sum, { data }) => sum + data[i], 0) / pictures.length;
  }
  return mean;
}
