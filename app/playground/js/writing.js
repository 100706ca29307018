/** A real sample, shown pixel by pixel: what the network expected of each, and what all of them cost so far. */

import { whenEnded } from "./api.js";
import { find } from "./dom.js";
import { friendlySeed } from "./draw_fields.js";
import { fixed, say, t } from "./lang.js";
import { FieldTrouble, Unreachable } from "./problems.js";
import { pen, pixelsOf } from "./raster.js";
import { Latest } from "./signal.js";
import { standing } from "./words.js";

/** @import {Api} from "./api.js" */
/** @import {Job, Model} from "./types" */

const WAIT_S = 30;
const USUAL_PIXELS = 28 * 28;
const STILL = "(prefers-reduced-motion: reduce)";
const PAPER = "#33405f";
const INK = ["#000000", "#ffffff"];
const GLOW = "#ff9a4d";
const SIGHT = "#7d9bff";

/**
 * @typedef {object} Written
 * @property {string} job that drew it
 * @property {number} width
 * @property {number} height
 * @property {number[]} values 0 black, 1 white
 * @property {number[]} bits what each pixel cost
 * @property {number[]} spent what all before the pixel cost; one more at the end
 */

export class Writing {
  /** @param {HTMLElement} view @param {Api} api */
  constructor(view, api) {
    this.#view = view;
    this.#api = api;
    this.#canvas = /** @type {HTMLCanvasElement} */ (find(view, "canvas"));
    this.#place = find(view, ".place input");
    this.#place.addEventListener("input", () => this.#go(Number(this.#place.value), false));
    this.#use = find(view, "[data-act=use]");
    this.#play = find(view, "[data-act=play]");
    this.#play.addEventListener("click", () => this.#toggle());
    find(view, "[data-act=step]").addEventListener("click", () => this.#go(this.#at + 1, false));
  }

  /** @type {(error: unknown) => void} */
  onTrouble = () => {};
  hasBegun = false;

  #view;
  #api;
  #canvas;
  #place;
  #play;
  #use;
  #asking = new Latest();
  /** @type {Written | null} */
  #written = null;
  /** How many pixels are there. */
  #at = 0;
  #isPlaying = false;
  #frame = 0;

  /** Another picture, from nothing. @param {Model} model */
  async begin(model) {
    this.stop();
    this.hasBegun = true;
    const signal = this.#asking.ask();
    try {
      const written = await this.#draw(model, signal);
      if (signal.aborted) return;
      this.#written = written;
      this.#use.href = `#sample/${written.job}`;
      this.#place.max = written.values.length;
      const isStill = matchMedia(STILL).matches;
      this.#go(isStill ? written.values.length : 0, !isStill);
    } catch (error) {
      if (signal.aborted) return;
      this.hasBegun = !(error instanceof Unreachable); // when the server is back it begins by itself
      this.onTrouble(error);
    }
  }

  /** Whatever is drawn or asked for is not wanted any more. */
  stop() {
    this.#asking.ask();
    this.#run(false);
    this.#written = null;
    this.#use.hidden = true;
  }

  /** @param {Model} model @param {AbortSignal} signal @returns {Promise<Written>} */
  async #draw({ name, width, height }, signal) {
    const wish = { model: name, n: 1, seed: friendlySeed() };
    const sample = await this.#ended(await this.#api.submit("/sample", wish, WAIT_S, signal), signal);
    const file = await this.#api.image(sample.id);
    const body = new FormData();
    body.set("model", name);
    body.set("image", file, "image.png");
    const score = await this.#ended(await this.#api.submit("/score", body, WAIT_S, signal), signal);
    const bits = (await this.#api.scoreMap(score.id)).bits.flat(2);
    const url = URL.createObjectURL(file);
    const { data } = await pixelsOf(url);
    URL.revokeObjectURL(url);
    const spent = [0];
    for (const cost of bits) spent.push(spent[spent.length - 1] + cost);
    return { job: sample.id, width, height, values: bits.map((_, i) => Number(data[4 * i] > 127)), bits, spent };
  }

  /** Once it has succeeded: a worker may still be warming up. @param {Job} job @param {AbortSignal} signal @returns {Promise<Job>} */
  async #ended(job, signal) {
    job = await whenEnded(this.#api, job, signal);
    if (job.status !== "succeeded") throw new FieldTrouble("", standing(job));
    return job;
  }

  #toggle() {
    const all = this.#written?.values.length ?? 0;
    if (this.#at >= all) this.#go(0, true);
    else this.#run(!this.#isPlaying);
  }

  /** @param {number} at how many pixels are there @param {boolean} isPlaying */
  #go(at, isPlaying) {
    this.#at = Math.min(at, this.#written?.values.length ?? 0);
    this.#run(isPlaying);
    this.#show();
  }

  /** @param {boolean} isPlaying */
  #run(isPlaying) {
    this.#isPlaying = isPlaying;
    cancelAnimationFrame(this.#frame);
    this.#label();
    if (!isPlaying) return;
    let before = performance.now();
    let due = this.#at;
    const step = (/** @type {number} */ now) => {
      const written = this.#written;
      if (!written) return;
      if (!this.#view.hidden) due += ((now - before) / 1000) * this.#rate(written);
      before = now;
      if (Math.floor(due) > this.#at) {
        this.#at = Math.min(Math.floor(due), written.values.length);
        this.#show();
      }
      if (this.#at < written.values.length) this.#frame = requestAnimationFrame(step);
      else this.#run(false);
    };
    this.#frame = requestAnimationFrame(step);
  }

  /** Pixels a second: a picture takes as long whatever its size. @param {Written} written */
  #rate({ values }) {
    return (10 ** Number(find(this.#view, ".speed input").value) * values.length) / USUAL_PIXELS;
  }

  #label() {
    const isOver = this.#written && this.#at >= this.#written.values.length;
    this.#play.textContent = this.#isPlaying ? t("Pause") : isOver ? t("Once more") : t("Go on");
  }

  #show() {
    const written = this.#written;
    if (!written) return;
    const spent = written.spent[this.#at];
    this.#place.value = String(this.#at);
    this.#use.hidden = this.#at < written.values.length;
    this.#paint(written);
    find(this.#view, "[data-bits]").textContent = t("{bits} bits ({nats} nats)", {
      bits: fixed(spent, 1),
      nats: fixed(spent * Math.LN2, 1),
    });
    find(this.#view, "[data-likelihood]").textContent = likelihood(spent);
    this.#expect(written);
  }

  /** What comes next, and how sure the network is. @param {Written} written */
  #expect({ width, values, bits }) {
    const line = find(this.#view, ".next");
    const bar = find(this.#view, ".chance");
    const isOver = this.#at >= values.length;
    bar.hidden = isOver;
    if (isOver) {
      line.textContent = t("Finished: all {count} pixels are there.", { count: say(values.length) });
      return;
    }
    const drawn = 2 ** -bits[this.#at];
    const white = values[this.#at] ? drawn : 1 - drawn;
    const place = { row: Math.floor(this.#at / width) + 1, column: (this.#at % width) + 1 };
    const percent = fixed(100 * white, 1);
    line.textContent = t("Next, row {row}, column {column}: white with {percent}%", { ...place, percent });
    bar.setAttribute("aria-label", t("Chance of white: {percent}%", { percent }));
    bar.firstElementChild.style.width = `${100 * white}%`;
  }

  /** What is there; where the network looks, framed; and the next pixel, as bright as white is likely. @param {Written} written */
  #paint({ width, height, values, bits }) {
    const side = Math.floor(672 / width);
    const brush = pen(this.#canvas);
    if (this.#canvas.width !== side * width || this.#canvas.height !== side * height) {
      this.#canvas.width = side * width;
      this.#canvas.height = side * height;
    }
    brush.fillStyle = PAPER;
    brush.fillRect(0, 0, side * width, side * height);
    for (let i = 0; i < this.#at; i += 1) {
      brush.fillStyle = INK[values[i]];
      brush.fillRect((i % width) * side, Math.floor(i / width) * side, side, side);
    }
    if (this.#at >= values.length) return;
    const [x, y] = [(this.#at % width) * side, Math.floor(this.#at / width) * side];
    brush.strokeStyle = SIGHT;
    brush.lineWidth = 3;
    brush.beginPath();
    brush.moveTo(0, y + side);
    brush.lineTo(x, y + side);
    brush.lineTo(x, y);
    brush.lineTo(side * width, y);
    brush.stroke();
    const drawn = 2 ** -bits[this.#at];
    const white = Math.round(255 * (values[this.#at] ? drawn : 1 - drawn));
    brush.fillStyle = `rgb(${white} ${white} ${white})`;
    brush.fillRect(x, y, side, side);
    brush.shadowColor = GLOW;
    brush.shadowBlur = side;
    brush.strokeStyle = GLOW;
    brush.lineWidth = 4;
    brush.strokeRect(x, y, side, side);
    brush.shadowBlur = 0;
  }
}

/** 2^-bits, as people say it. @param {number} bits */
function likelihood(bits) {
  const tens = bits * Math.LOG10E * Math.LN2;
  if (tens < 5) return t("1 in {count}", { count: say(Math.round(10 ** tens)) });
  return t("1 in 10{power}", { power: superscript(Math.round(tens)) });
}

/** @param {number} number */
function superscript(number) {
  return [...String(number)].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(digit)]).join("");
}
