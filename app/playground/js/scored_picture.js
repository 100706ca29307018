/** A picture under its heat map: look at a pixel to see its bits, choose one to ask more. */

import { announce, el, find, stamp } from "./dom.js";
import { glowing, heatPicture } from "./heat.js";
import { blankCanvas, canvasOf, pen } from "./raster.js";
import { plural } from "./words.js";

/** @import {Job, ScoreMap, ScoreResult} from "./types" */

const STEPS = /** @type {Record<string, number[]>} */ ({
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
});
const SIDE = 672;

export class ScoredPicture {
  constructor() {
    this.element = stamp("scored-picture");
    this.summary = el("dl", { class: "facts" });
    this.readout = el("p", { class: "readout" });
    this.#canvas = /** @type {HTMLCanvasElement} */ (find(this.element, "canvas"));
    this.#canvas.addEventListener("pointermove", (event) => this.#look(...this.#at(event)));
    this.#canvas.addEventListener("pointerleave", () => this.#look(...this.chosen));
    this.#canvas.addEventListener("click", (event) => this.#choose(...this.#at(event)));
    this.#canvas.addEventListener("keydown", (event) => this.#key(event));
    for (const radio of this.element.querySelectorAll("input")) {
      radio.name = "layer";
      radio.addEventListener("change", () => this.#draw());
    }
  }

  /** Called with the pixel that is asked about. @type {(x: number, y: number) => void} */
  onPick = () => {};
  /** @type {ImageData | null} */
  picture = null;
  /** @type {[number, number]} */
  chosen = [0, 0];
  heat = blankCanvas(1, 1);

  #canvas;
  /** @type {[number, number]} */
  #cursor = [0, 0];
  /** @type {ScoreMap | null} */
  #map = null;
  /** What each choice of a layer shows. @type {Record<string, HTMLCanvasElement>} */
  #layers = {};

  /** @param {Job} job @param {ScoreMap} map @param {ImageData | null} picture */
  show(job, map, picture) {
    const score = /** @type {ScoreResult} */ (job.result);
    const { nats, bits_per_dim, per_colour_bits, uniform_bits, quantised_pixels } = score;
    this.#map = map;
    this.picture = picture;
    const shares = map.bits.flat().map((bits) => sum(bits) / uniform_bits);
    this.heat = canvasOf(heatPicture(shares, map.width));
    this.#layers = { heat: this.heat };
    if (picture) Object.assign(this.#layers, { picture: canvasOf(picture), both: canvasOf(glowing(shares, picture)) });
    const scale = Math.max(1, Math.floor(SIDE / map.width));
    this.#canvas.width = map.width * scale;
    this.#canvas.height = map.height * scale;
    find(this.element, "[data-top]").textContent = `${plural(uniform_bits, "bit")} or more`;
    const colours =
      per_colour_bits.length > 1 ? [["Red, green, blue", per_colour_bits.map((b) => b.toFixed(2)).join(", ")]] : [];
    const moved = quantised_pixels ? [["Moved to a known value", `${quantised_pixels} pixels`]] : [];
    const facts = [
      ["Model", job.model],
      ["Nats", nats.toFixed(2)],
      ["Bits/dim", bits_per_dim.toFixed(3)],
      ...colours,
      ...moved,
    ];
    this.summary.replaceChildren(...facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
    this.#choose(...this.#mostSurprising());
  }

  /** @returns {[number, number]} */
  #mostSurprising() {
    const flat = (this.#map?.bits ?? []).flat().map(sum);
    const at = flat.indexOf(Math.max(...flat));
    return this.#map ? [at % this.#map.width, Math.floor(at / this.#map.width)] : [0, 0];
  }

  /** @param {PointerEvent | MouseEvent} event @returns {[number, number]} */
  #at(event) {
    const box = this.#canvas.getBoundingClientRect();
    const { width, height } = this.#map ?? { width: 1, height: 1 };
    const x = Math.floor(((event.clientX - box.left) / box.width) * width);
    const y = Math.floor(((event.clientY - box.top) / box.height) * height);
    return [Math.min(width - 1, Math.max(0, x)), Math.min(height - 1, Math.max(0, y))];
  }

  /** Arrows move, Enter or the space bar asks. @param {KeyboardEvent} event */
  #key(event) {
    const step = STEPS[event.key];
    if (!this.#map || (!step && event.key !== "Enter" && event.key !== " ")) return;
    event.preventDefault();
    const [x, y] = this.#cursor;
    if (!step) {
      this.#choose(x, y);
      return;
    }
    const { width, height } = this.#map;
    this.#look(Math.min(width - 1, Math.max(0, x + step[0])), Math.min(height - 1, Math.max(0, y + step[1])));
    announce(this.readout.textContent ?? "");
  }

  /** @param {number} x @param {number} y */
  #choose(x, y) {
    this.chosen = [x, y];
    this.#look(x, y);
    this.onPick(x, y);
  }

  /** @param {number} x @param {number} y */
  #look(x, y) {
    this.#cursor = [x, y];
    const bits = this.#map?.bits[y][x] ?? [];
    const parts = bits.length > 1 ? ` (${bits.map((part) => part.toFixed(2)).join(" + ")})` : "";
    this.readout.textContent = `Row ${y + 1}, column ${x + 1}: ${sum(bits).toFixed(2)} bits${parts}`;
    this.#draw();
  }

  #draw() {
    const brush = pen(this.#canvas);
    const { width, height } = this.#canvas;
    const layer = find(this.element, "input:checked").value;
    brush.imageSmoothingEnabled = false;
    brush.clearRect(0, 0, width, height);
    brush.drawImage(this.#layers[layer] ?? this.heat, 0, 0, width, height);
    this.#frame(brush, this.chosen, "#ff8a3d", 4);
    this.#frame(brush, this.#cursor, "#4f7cff", 3);
  }

  /** @param {CanvasRenderingContext2D} brush @param {number[]} pixel @param {string} colour @param {number} line */
  #frame(brush, [x, y], colour, line) {
    const side = this.#canvas.width / (this.#map?.width ?? 1);
    brush.lineWidth = line;
    brush.strokeStyle = colour;
    brush.strokeRect(x * side + line / 2, y * side + line / 2, side - line, side - line);
  }
}

/** @param {number[]} numbers */
function sum(numbers) {
  return numbers.reduce((total, number) => total + number, 0);
}
