/**
 * A picture with its heat map: one pixel is chosen, the one under the pointer is named,
 * and pixels can be covered.
 */

import { announce, el, find, cloneTemplate } from "./dom.js";
import { Pointer } from "./pointer.js";
import { formatFixed, t } from "../lang.js";
import { Mask } from "../pixels/mask.js";
import { blankCanvas, canvasOf, contextOf } from "../pixels/raster.js";
import { percent } from "../service/words.js";

/** @import {ScoreMap, ScoreResult} from "../types" */

/** Width of the canvas in pixels, at most. */
const SIDE = 672;
/** Brushes that fit side by side into the picture's width. */
const BRUSH = 9;
const COVERED = "#6f7fa8";

/** Brightness of the picture below its heat, as a share. */
const DIMMED = 0.45;

/**
 * A scored picture: layers for picture, heat map and both, a chosen pixel, and covered
 * pixels.
 */
export class ScoredPicture {
  constructor() {
    this.element = cloneTemplate("scored-picture");
    this.summary = el("div", { class: "summary" });
    this.#canvas = /** @type {HTMLCanvasElement} */ (find(this.element, "canvas"));
    this.#pointer = new Pointer(this.#canvas);
    this.#pointer.onStroke = (from, to, first) => this.isCovering && this.#coverBy(from, to, first);
    this.#pointer.onLift = () => (this.isCovering ? this.onCover() : this.#choose(this.#pointer.cursor));
    this.#pointer.onStep = (pixel) => {
      this.#look(pixel);
      announce(this.wordsOf(pixel));
    };
    this.#pointer.onMove = () => {
      const [x, y] = this.#pointer.hover?.map(Math.floor) ?? this.#pointer.cursor;
      // A pointer at the very edge may be outside the map.
      if (this.#map.bits[y]?.[x]) this.#look([x, y]);
    };
    for (const radio of this.element.querySelectorAll("input")) {
      radio.name = "layer";
      radio.addEventListener("change", () => this.#draw());
    }
  }

  /** Called with the pixel that is chosen. @type {(x: number, y: number) => void} */
  onPick = () => {};
  /** @type {ImageData | null} */
  picture = null;
  chosen = [0, 0];
  heat = blankCanvas(1, 1);
  /** Mask of the covered pixels. */
  cover = new Mask({ width: 1, height: 1 });
  /** Whether strokes cover pixels instead of choosing one. */
  isCovering = false;
  /** Called when other pixels are covered. */
  onCover = () => {};

  #canvas;
  #pointer;
  /** @type {ScoreMap} */
  #map = { width: 1, height: 1, channels: 1, bits: [[[0]]] };
  /** Name of a layer -> canvas. @type {Record<string, HTMLCanvasElement>} */
  #layers = {};

  /**
   * Show a score.
   *
   * @param {string} model
   * @param {ScoreResult} score - Result of the score.
   * @param {ScoreMap} map - Bits of each colour of each pixel.
   * @param {ImageData | null} picture - The picture; null if it is not known, so that
   *     only the heat map is shown.
   */
  show(model, score, map, picture) {
    const { uniform_bits: most } = score;
    this.#map = map;
    this.picture = picture;
    this.cover = new Mask(map);
    const shares = map.bits.flat().map((bits) => sum(bits) / most);
    this.heat = canvasOf(heatPicture(shares, map.width));
    this.#layers = { heat: this.heat };
    if (picture) Object.assign(this.#layers, { picture: canvasOf(picture), both: canvasOf(glowing(shares, picture)) });
    for (const radio of this.element.querySelectorAll("input")) radio.disabled = !(radio.value in this.#layers);
    if (!picture) find(this.element, "input[value=heat]").checked = true;
    this.#pointer.fit(map, SIDE);
    find(this.element, "[data-top]").textContent =
      most === 1 ? t("1 bit or more") : t("{bits} bits or more", { bits: Number(most.toFixed(2)) });
    this.#sum(model, score);
    this.#choose(this.#mostSurprising());
  }

  /**
   * Show the figures of the whole picture.
   *
   * @param {string} model
   * @param {ScoreResult} score
   */
  #sum(model, { nats, bits_per_dim: perDim, per_colour_bits: colours, quantised_pixels: moves, p_value: rarity }) {
    const facts = [
      [t("Model"), model],
      ["Nats", formatFixed(nats, 2)],
      ["Bits/dim", formatFixed(perDim, 3)],
    ];
    if (colours.length > 1) facts.push([t("Red, green, blue"), colours.map((bits) => formatFixed(bits, 2)).join(", ")]);
    if (moves) facts.push([t("Moved to a known value"), t("{count} pixels", { count: moves })]);
    const list = el("dl", { class: "facts" });
    const whole = el("strong", {}, t("Surprise: {bits} bits.", { bits: formatFixed(nats / Math.LN2, 1) }));
    const fold = el("details", { class: "drawer" }, el("summary", {}, t("For those who know")), list);
    list.append(...facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
    const rare =
      rarity != null && t("{share} of pictures of its kind are as surprising, or more.", { share: percent(rarity) });
    this.summary.replaceChildren(whole, rare || "", fold);
  }

  /**
   * Return a pixel's place and bits in words.
   *
   * @param {number[]} pixel
   */
  wordsOf([x, y]) {
    const bits = this.#map.bits[y][x];
    const parts = bits.length > 1 ? ` (${bits.map((part) => formatFixed(part, 2)).join(" + ")})` : "";
    return (
      t("Row {row}, column {column}: {bits} bits", { row: y + 1, column: x + 1, bits: formatFixed(sum(bits), 2) }) +
      parts
    );
  }

  /** Return [x, y] of the pixel with the most bits. */
  #mostSurprising() {
    const flat = this.#map.bits.flat().map(sum);
    const at = flat.indexOf(Math.max(...flat));
    return [at % this.#map.width, Math.floor(at / this.#map.width)];
  }

  uncover() {
    this.cover = new Mask(this.#map);
    this.#draw();
  }

  /**
   * Cover the pixels of a stroke; the keyboard covers or uncovers one pixel.
   *
   * @param {number[]} from
   * @param {number[]} to
   * @param {number[] | null} first
   */
  #coverBy(from, to, first) {
    const [x, y] = this.#pointer.cursor;
    if (first) this.cover.stroke(from, to, this.#map.width / BRUSH, 1);
    else this.cover.dab(x + 0.5, y + 0.5, 1, 1 - this.cover.hole[y * this.cover.width + x]);
    this.#draw();
  }

  /** @param {number[]} pixel */
  #choose(pixel) {
    this.chosen = pixel;
    this.#look(pixel);
    this.onPick(pixel[0], pixel[1]);
  }

  /**
   * Name the pixel under the pointer.
   *
   * @param {number[]} pixel
   */
  #look(pixel) {
    this.#pointer.cursor = pixel;
    // The chosen pixel is described beside the picture.
    const isElsewhere = String(pixel) !== String(this.chosen);
    find(this.element, ".looked-at").textContent = isElsewhere
      ? this.wordsOf(pixel)
      : t("Glowing pixels surprised the network. Choose one.");
    this.#draw();
  }

  #draw() {
    const brush = contextOf(this.#canvas);
    const { width, height } = this.#canvas;
    const layer = find(this.element, "input:checked").value;
    brush.imageSmoothingEnabled = false;
    brush.clearRect(0, 0, width, height);
    brush.drawImage(this.#layers[layer] ?? this.heat, 0, 0, width, height);
    const side = width / this.#map.width;
    brush.fillStyle = COVERED;
    this.cover.hole.forEach((isCovered, i) => {
      if (!isCovered) return;
      brush.fillRect((i % this.#map.width) * side, Math.floor(i / this.#map.width) * side, side, side);
    });
    this.#frame(brush, this.chosen, "#ff8a3d", 4);
    if (String(this.#pointer.cursor) !== String(this.chosen)) this.#frame(brush, this.#pointer.cursor, "#4f7cff", 3);
  }

  /**
   * Paint a frame around a pixel.
   *
   * @param {CanvasRenderingContext2D} brush
   * @param {number[]} pixel
   * @param {string} colour
   * @param {number} line
   */
  #frame(brush, [x, y], colour, line) {
    const side = this.#canvas.width / this.#map.width;
    brush.lineWidth = line;
    brush.strokeStyle = colour;
    brush.strokeRect(x * side + line / 2, y * side + line / 2, side - line, side - line);
  }
}

/** @param {number[]} numbers */
function sum(numbers) {
  return numbers.reduce((total, number) => total + number, 0);
}

/**
 * Return bits as colours like those of the server's heat maps: from black for 0 over
 * red and yellow to white for a uniform guess and above.
 *
 * @param {number[]} shares - Bits of each pixel as a share of a uniform guess.
 * @param {number} width
 */
function heatPicture(shares, width) {
  const picture = new ImageData(width, shares.length / width);
  shares.forEach((share, i) => picture.data.set([...heatColour(share), 255], 4 * i));
  return picture;
}

/**
 * Return the picture in dim grey, glowing where it surprised the model.
 *
 * @param {number[]} shares
 * @param {ImageData} picture
 */
function glowing(shares, picture) {
  const mixed = heatPicture(shares, picture.width);
  shares.forEach((share, i) => {
    const [red, green, blue] = picture.data.slice(4 * i);
    const grey = DIMMED * (0.299 * red + 0.587 * green + 0.114 * blue);
    const part = Math.min(0.85, 1.5 * share);
    for (let at = 4 * i; at < 4 * i + 3; at += 1) mixed.data[at] = part * mixed.data[at] + (1 - part) * grey;
  });
  return mixed;
}

/**
 * Return red, green and blue of a share.
 *
 * @param {number} share - Bits as a share of a uniform guess.
 */
function heatColour(share) {
  return [3 * share, 3 * share - 1, 3 * share - 2].map((part) => Math.round(255 * Math.min(1, Math.max(0, part))));
}
