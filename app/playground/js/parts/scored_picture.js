/** A picture under its heat map: one pixel is chosen, to be asked about; the one under the pointer is only named. */

import { announce, el, find, cloneTemplate } from "./dom.js";
import { Pointer } from "./pointer.js";
import { formatFixed, t } from "../lang.js";
import { Mask } from "../pixels/mask.js";
import { blankCanvas, canvasOf, contextOf } from "../pixels/raster.js";
import { percent } from "../service/words.js";

/** @import {ScoreMap, ScoreResult} from "../types" */

const SIDE = 672;
/** Brushes side by side in a row. */
const BRUSH = 9;
const COVERED = "#6f7fa8";

/** How bright the picture is beneath its heat. */
const DIMMED = 0.45;

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
      if (this.#map.bits[y]?.[x]) this.#look([x, y]);
    };
    for (const radio of this.element.querySelectorAll("input")) {
      radio.name = "layer";
      radio.addEventListener("change", () => this.#draw());
    }
  }

  /** Called with the pixel that is asked about. @type {(x: number, y: number) => void} */
  onPick = () => {};
  /** @type {ImageData | null} */
  picture = null;
  chosen = [0, 0];
  heat = blankCanvas(1, 1);
  /** The pixels that are painted over. */
  cover = new Mask({ width: 1, height: 1 });
  /** Whether pixels are painted over, and not asked about. */
  isCovering = false;
  /** Called when others are. */
  onCover = () => {};

  #canvas;
  #pointer;
  /** @type {ScoreMap} */
  #map = { width: 1, height: 1, channels: 1, bits: [[[0]]] };
  /** What each choice of a layer shows. @type {Record<string, HTMLCanvasElement>} */
  #layers = {};

  /** @param {string} model @param {ScoreResult} score @param {ScoreMap} map @param {ImageData | null} picture */
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

  /** @param {string} model @param {ScoreResult} score */
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

  /** Its place and its bits, in words. @param {number[]} pixel */
  wordsOf([x, y]) {
    const bits = this.#map.bits[y][x];
    const parts = bits.length > 1 ? ` (${bits.map((part) => formatFixed(part, 2)).join(" + ")})` : "";
    return (
      t("Row {row}, column {column}: {bits} bits", { row: y + 1, column: x + 1, bits: formatFixed(sum(bits), 2) }) +
      parts
    );
  }

  #mostSurprising() {
    const flat = this.#map.bits.flat().map(sum);
    const at = flat.indexOf(Math.max(...flat));
    return [at % this.#map.width, Math.floor(at / this.#map.width)];
  }

  uncover() {
    this.cover = new Mask(this.#map);
    this.#draw();
  }

  /** By the keyboard one pixel, or no more. @param {number[]} from @param {number[]} to @param {number[] | null} first */
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

  /** @param {number[]} pixel */
  #look(pixel) {
    this.#pointer.cursor = pixel;
    const isElsewhere = String(pixel) !== String(this.chosen); // what is chosen is said beside it
    find(this.element, ".looked-at").textContent = isElsewhere ? this.wordsOf(pixel) : "";
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

  /** @param {CanvasRenderingContext2D} brush @param {number[]} pixel @param {string} colour @param {number} line */
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
 * Bits of each pixel as colours: black 0, red, yellow, white a uniform guess and above, as the server's heat maps.
 *
 * @param {number[]} shares of a uniform guess, pixel by pixel
 * @param {number} width
 */
function heatPicture(shares, width) {
  const picture = new ImageData(width, shares.length / width);
  shares.forEach((share, i) => picture.data.set([...heatColour(share), 255], 4 * i));
  return picture;
}

/**
 * The picture in dim grey, and glowing where it surprised the model: colours mean bits, as in the heat map.
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

/** @param {number} share of a uniform guess @returns {number[]} red, green, blue */
function heatColour(share) {
  return [3 * share, 3 * share - 1, 3 * share - 2].map((part) => Math.round(255 * Math.min(1, Math.max(0, part))));
}
