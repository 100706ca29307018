/**
 * Forecasts of a picture that is being drawn: completions from a pixel on, and their
 * mean.
 */

import { LatestRequest } from "../signal.js";
import { completionsFrom } from "./drawing.js";

/** @import {Backend} from "./backend.js" */
/** @import {Model} from "../types" */

/**
 * What a picture can still become.
 *
 * @typedef {object} Forecast
 * @property {number} from - Index of the first pixel that is not drawn, row by row.
 * @property {ImageData} mean - Mean of all completions.
 * @property {ImageData[]} completions - Some of them, to be shown.
 */

/** Completions of a forecast that are shown. */
const SHOWN = 3;
/** Completions of a forecast, at most and at least. */
const MOST = 32;
const FEWEST = 4;
/** Values that all completions of the first forecast have together, about. */
const USUAL_COLOURS = 28_000;
/** Seconds of an answer after which the next one has half as many completions, or twice as many. */
const SLOW_S = 1.2;
const FAST_S = 0.4;
/** Rows between two forecasts while the picture is drawn. */
const EVERY = 2;
/** Rows ahead of the drawing for which a forecast is requested. */
const AHEAD = 4;

/**
 * The forecasts of one picture, requested while it is drawn: completions from a pixel on,
 * and their mean.
 *
 * The number of completions adapts to the time that an answer takes. Errors are not
 * reported: no further forecasts are requested then.
 */
export class Forecasts {
  /**
   * @param {ImageData} picture
   * @param {Forecast[]} forecasts - Forecasts that are known already.
   * @param {{backend: Backend, model: Model} | null} source - Backend and model that
   *     draw further ones; null if there are none.
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

  /** Called when a forecast has arrived. */
  onNews = () => {};
  /** All that are known, in no order. @type {Forecast[]} */
  forecasts;

  #picture;
  #source;
  #many;
  #most;
  #asking = new LatestRequest();
  #isAsking = false;
  /** Seconds that the last answer took. */
  #lastsS = 0;

  /**
   * Return the forecast from the last place that is drawn already; null if there is
   * none.
   *
   * @param {number} at - Number of pixels that are drawn.
   * @returns {Forecast | null}
   */
  before(at) {
    const earlier = this.forecasts.filter(({ from }) => from <= at).sort((a, b) => b.from - a.from);
    return earlier[0] ?? null;
  }

  /**
   * Request the next forecast that arrives in time, if none is on its way.
   *
   * @param {number} at - Number of pixels that are drawn.
   * @param {number} rate - Pixels drawn in a second.
   */
  follow(at, rate) {
    const { width, height } = this.#picture;
    const row = EVERY * Math.ceil((at + rate * this.#lastsS) / width / EVERY);
    for (let next = row; next < Math.min(height, row + AHEAD); next += EVERY) {
      if (!this.forecasts.some(({ from }) => from === next * width)) return this.#ask(next * width);
    }
  }

  /**
   * Request the forecast from exactly this pixel, and wait until it has arrived or
   * failed.
   *
   * @param {number} at - Number of pixels that are drawn.
   */
  async seek(at) {
    const { width, height } = this.#picture;
    if (at < width * height && !this.forecasts.some(({ from }) => from === at)) await this.#ask(at, true);
  }

  /**
   * Adapt the number of completions to the time of the last answer.
   *
   * @param {number} lasted - Seconds.
   */
  #suit(lasted) {
    this.#lastsS = lasted;
    if (lasted > SLOW_S) this.#many = Math.max(FEWEST, this.#many >> 1);
    if (lasted < FAST_S) this.#many = Math.min(this.#most, this.#many << 1);
  }

  /** Abort the request that is on its way: nobody looks any more. */
  stop() {
    this.#asking.start();
    this.#isAsking = false;
  }

  /**
   * Request a forecast.
   *
   * @param {number} from - Index of the first pixel that is not drawn.
   * @param {boolean} isUrgent - Whether it replaces a request that is on its way.
   */
  async #ask(from, isUrgent = false) {
    const source = this.#source;
    if (!source || (this.#isAsking && !isUrgent)) return;
    const signal = this.#asking.start();
    this.#isAsking = true;
    const start = performance.now();
    try {
      this.forecasts.push(await forecastFrom(source, this.#picture, from, this.#many, signal));
      this.#isAsking = false;
      this.#suit((performance.now() - start) / 1000);
      this.onNews();
    } catch {
      if (signal.aborted) return;
      this.#isAsking = false;
      // The picture is shown without further forecasts.
      this.#source = null;
    }
  }
}

/**
 * Draw completions and return the forecast.
 *
 * @param {{backend: Backend, model: Model}} source
 * @param {ImageData} picture
 * @param {number} from
 * @param {number} many - Number of completions.
 * @param {AbortSignal} signal
 * @returns {Promise<Forecast>}
 */
async function forecastFrom({ backend, model }, picture, from, many, signal) {
  const { images } = await completionsFrom(backend, model, picture, from, many, { signal });
  signal.throwIfAborted();
  return { from, mean: meanOf(images), completions: images.slice(0, SHOWN) };
}

/**
 * Return the mean of pictures of one size.
 *
 * @param {ImageData[]} pictures
 */
function meanOf(pictures) {
  const [{ width, height }] = pictures;
  const mean = new ImageData(width, height);
  for (let i = 0; i < mean.data.length; i += 1) {
    mean.data[i] = pictures.reduce((sum, { data }) => sum + data[i], 0) / pictures.length;
  }
  return mean;
}
