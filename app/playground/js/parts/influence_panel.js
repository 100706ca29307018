/** A picture of how much each earlier pixel influences what a network expects at the chosen one. */

import { el } from "./dom.js";
import { formatFixed, formatNumber, t } from "../lang.js";
import { blankCanvas, contextOf } from "../pixels/raster.js";

/** @import {Model, PixelBelief} from "../types" */

/** Side of the canvas in pixels, about. */
const SIDE = 504;
const LATER = "#33405f";
const UNSEEN = "#6f6472";
const HATCH = "#4d444f";
const CHOSEN = "#ff9a4d";
const BRIGHTER = [255, 138, 61];
const DARKER = [79, 140, 255];
/**
 * Brightness of the picture on the canvas, as a share: influence stands out from it.
 */
const DIMMED = 0.62;
/** Exponent that makes small influences visible: they range over many powers of ten. */
const GAMMA = 0.7;
/** Share of seen pixels from which a window seems to cover everything. */
const NEARLY_ALL = 0.75;

/**
 * Kind of network -> description of the pixels that it sees.
 *
 * @type {Record<string, string>}
 */
const FIELDS = {
  "pixel-cnn": t("A window: it grows with each layer and ends there, and to the upper right a corner is cut off."),
  "wide-pixel-cnn": t(
    "A window that grows with each layer: from here it covers nearly everything, and to the upper right a corner is cut off.",
  ),
  "row-lstm": t("A triangle that grows wider with each row up: the row above is read three pixels at a time."),
  "diagonal-bilstm": t(
    "Nearly everything: two passes from both upper corners bring along what stands before the pixel; only the end of the row above may be missing.",
  ),
};

/** Meaning of a colour -> explanation. */
const LEGEND = {
  brighter: t("If this pixel were brighter, the chosen one would be expected to be brighter."),
  darker: t("If this pixel were brighter, the chosen one would be expected to be darker."),
  unseen: t("The network cannot see this pixel from there."),
  later: t("Drawn later: nothing is known of it yet."),
};

/** Which pixels of a picture mattered for the chosen one. */
export class InfluencePanel {
  /**
   * @param {Model} model
   * @param {ImageData} picture
   */
  constructor(model, picture) {
    this.#model = model;
    this.#picture = picture;
    this.#scale = Math.max(4, Math.floor(SIDE / model.width));
    this.#canvas = blankCanvas(model.width * this.#scale, model.height * this.#scale);
    this.#canvas.setAttribute("role", "img");
    this.#canvas.setAttribute("aria-label", t("What it depended on"));
    this.#sentence = el("p", { class: "sight-answer" });
    const legend = Object.entries(LEGEND).map(([means, text]) => el("li", { "data-means": means }, text));
    const heading = el("h2", {}, t("What it depended on"));
    const list = el("ul", { class: "sight-legend" }, ...legend);
    this.element = el("div", { class: "sight" }, heading, this.#canvas, this.#sentence, this.#field, list);
    this.#explain(0);
  }

  #model;
  #picture;
  #scale;
  #canvas;
  #sentence;
  #field = el("p", { class: "hint" });
  #chosen = [0, 0];
  /** Influence of each pixel, row by row; null until it is known. @type {number[] | null} */
  #slopes = null;

  /**
   * Choose a pixel and forget the answer for another one.
   *
   * @param {number[]} pixel - [x, y].
   */
  choose(pixel) {
    this.#chosen = pixel;
    this.#slopes = null;
    this.#sentence.textContent = t("Asking the model…");
    this.#draw();
  }

  /**
   * Show a sentence while there is no answer.
   *
   * @param {string} text
   */
  wait(text) {
    if (!this.#slopes) this.#sentence.textContent = text;
  }

  /**
   * Show the model's answer for the chosen pixel.
   *
   * @param {PixelBelief} belief
   */
  showBelief({ colours, influence }) {
    this.#slopes = influence?.flat() ?? null;
    const brightness = colours.map(({ probabilities: shares }) =>
      shares.reduce((sum, share, value) => sum + (share * value) / (shares.length - 1), 0),
    );
    const percent = formatFixed((100 * brightness.reduce((sum, part) => sum + part, 0)) / brightness.length, 1);
    const count = this.#slopes?.filter((slope) => slope !== 0).length ?? 0;
    this.#explain(count / Math.max(1, this.#at));
    const facts = { percent, seen: formatNumber(count), earlier: formatNumber(this.#at) };
    this.#sentence.textContent =
      this.#model.values === 2
        ? t("White with {percent}%; it sees {seen} of {earlier} earlier pixels.", facts)
        : t("It expects {percent}% brightness, and sees {seen} of {earlier} earlier pixels.", facts);
    this.#draw();
  }

  /**
   * Describe the pixels that the network sees.
   *
   * @param {number} share - Share of the earlier pixels that it sees.
   */
  #explain(share) {
    const wide = share > NEARLY_ALL ? FIELDS[`wide-${this.#model.network}`] : "";
    this.#field.textContent = wide || (FIELDS[this.#model.network] ?? "");
  }

  /** Return the number of pixels before the chosen one. */
  get #at() {
    return this.#chosen[1] * this.#model.width + this.#chosen[0];
  }

  #draw() {
    const brush = contextOf(this.#canvas);
    const { width, height } = this.#model;
    const most = Math.max(...(this.#slopes ?? [0]).map(Math.abs)) || 1;
    for (let i = 0; i < width * height; i += 1) {
      const [x, y] = [(i % width) * this.#scale, Math.floor(i / width) * this.#scale];
      const isUnseen = this.#slopes?.[i] === 0 && i < this.#at;
      brush.fillStyle = i >= this.#at ? LATER : isUnseen ? UNSEEN : this.#colourOf(i, (this.#slopes?.[i] ?? 0) / most);
      brush.fillRect(x, y, this.#scale, this.#scale);
      if (isUnseen) this.#hatch(brush, x, y);
    }
    const [x, y] = this.#chosen;
    brush.strokeStyle = CHOSEN;
    brush.lineWidth = 4;
    brush.strokeRect(x * this.#scale + 2, y * this.#scale + 2, this.#scale - 4, this.#scale - 4);
  }

  /**
   * Return the colour of a pixel: dimmed, under the colour of its influence.
   *
   * @param {number} i - Index of the pixel.
   * @param {number} share - Influence relative to the strongest, -1 to 1.
   */
  #colourOf(i, share) {
    const pixel = [...this.#picture.data.slice(4 * i, 4 * i + 3)];
    const weight = Math.abs(share) ** GAMMA;
    const colour = share > 0 ? BRIGHTER : DARKER;
    return `rgb(${pixel.map((part, c) => Math.round(DIMMED * part * (1 - weight) + weight * colour[c])).join(" ")})`;
  }

  /**
   * Hatch a pixel that the network does not see, so that the mark does not depend on
   * colour alone.
   *
   * @param {CanvasRenderingContext2D} brush
   * @param {number} x
   * @param {number} y
   */
  #hatch(brush, x, y) {
    brush.strokeStyle = HATCH;
    brush.lineWidth = 2;
    brush.beginPath();
    brush.moveTo(x, y + this.#scale);
    brush.lineTo(x + this.#scale, y);
    brush.stroke();
  }
}
