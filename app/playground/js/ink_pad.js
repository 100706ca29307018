/** Paper on which each pixel is white, black or unknown, by pen, finger or keyboard; where it is unknown, a fog shows what is expected. */

import { announce, find, isWriting } from "./dom.js";
import { icon } from "./icons.js";
import { t } from "./lang.js";
import { Mask } from "./mask.js";
import { Mist } from "./mist.js";
import { blankCanvas, pen } from "./raster.js";
import { moved, pixelAt, STEPS } from "./steps.js";

/** @import {Size} from "./types" */

export const UNKNOWN = 0;
export const BLACK = 1;
export const WHITE = 2;
const INKS = /** @type {Record<string, number>} */ ({ unknown: UNKNOWN, black: BLACK, white: WHITE });
const WORDS = [t("unknown"), t("black"), t("white")];
/** The width of a brush in pixels of a picture of 28. */
const NIBS = [4.4 / 28, 3.4 / 28, 2.4 / 28];
const SIDE = 672;
/** An ending that is seen large, black and white. */
const THEIRS = [
  [27, 36, 66, 255],
  [157, 180, 255, 255],
];
const CURSOR = "#ff8a3d";
const STILL = "(prefers-reduced-motion: reduce)";

export class InkPad {
  /** @param {HTMLElement} view */
  constructor(view) {
    this.#view = view;
    this.#canvas = /** @type {HTMLCanvasElement} */ (find(view, "canvas"));
    this.#canvas.addEventListener("pointerdown", (event) => this.#down(event));
    this.#canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const end of ["pointerup", "pointercancel"]) this.#canvas.addEventListener(end, () => this.#lift());
    this.#canvas.addEventListener("keydown", (event) => this.#steer(event));
    for (const change of ["focus", "blur"]) this.#canvas.addEventListener(change, () => this.#paint());
    for (const button of view.querySelectorAll(".tools button")) {
      const { ink, rule, icon: drawing } = /** @type {HTMLElement} */ (button).dataset;
      if (drawing) button.prepend(icon(drawing));
      button.addEventListener("click", () => (ink ? this.#take(ink) : this.#apply(rule ?? "")));
    }
    addEventListener("keydown", (event) => this.#key(event));
  }

  /** Called as soon as there is other ink. */
  onInk = () => {};
  /** Called when the pen is lifted. */
  onRest = () => {};
  /** What is known of each pixel. */
  ink = new Mask({ width: 1, height: 1 });

  #view;
  #canvas;
  #mist = new Mist();
  #known = blankCanvas(1, 1);
  #brush = WHITE;
  /** @type {ImageData | null} */
  #mean = null;
  /** The ending that is seen in place of the fog. @type {ImageData | null} */
  #ending = null;
  /** @type {number[] | null} */
  #last = null;
  #cursor = [0, 0];
  #frame = 0;

  /** Clean paper. @param {Size} size */
  open({ width, height }) {
    this.ink = new Mask({ width, height });
    const scale = Math.max(1, Math.floor(SIDE / width));
    this.#canvas.width = scale * width;
    this.#canvas.height = scale * height;
    this.#known = blankCanvas(width, height);
    this.#mist.fit(width, height);
    this.#cursor = [Math.floor(width / 2), Math.floor(height / 2)];
    this.#mean = null;
    this.#ending = null;
    this.#paint();
  }

  /** Known pixels from elsewhere; they can be taken back. @param {(i: number) => number} known */
  fill(known) {
    const { width } = this.ink;
    this.ink.mark();
    this.ink.hole = this.ink.hole.map((_, i) => known(i));
    this.#cursor = this.#cursor.map((part) => Math.min(part, width - 1));
    this.#changed();
    this.onRest();
  }

  /** What is expected where nothing is known. @param {ImageData | null} mean */
  expect(mean) {
    this.#mean = mean;
    this.#paint();
  }

  /** @param {ImageData | null} ending in place of the fog */
  show(ending) {
    this.#ending = ending;
    this.#paint();
  }

  #changed() {
    this.#ending = null;
    this.#paint();
    this.onInk();
  }

  /** @param {string} ink */
  #take(ink) {
    this.#brush = INKS[ink];
    for (const button of this.#view.querySelectorAll("[data-ink]")) {
      button.setAttribute("aria-pressed", String(button.getAttribute("data-ink") === ink));
    }
  }

  /** @param {string} rule */
  #apply(rule) {
    if (rule === "undo") this.ink.undo();
    if (rule === "redo") this.ink.redo();
    if (rule === "clear") return this.fill(() => UNKNOWN);
    this.#changed();
    this.onRest();
  }

  /** Ctrl+Z takes back, Ctrl+Y or with shift does again, wherever the focus is. @param {KeyboardEvent} event */
  #key(event) {
    const key = event.key.toLowerCase();
    const isMeant = !this.#view.hidden && (event.ctrlKey || event.metaKey) && !isWriting(event.target);
    if (!isMeant || !["z", "y"].includes(key)) return;
    event.preventDefault();
    this.#apply(key === "y" || event.shiftKey ? "redo" : "undo");
  }

  /** Arrows move; the space bar draws, and shift on the way. @param {KeyboardEvent} event */
  #steer(event) {
    const step = STEPS[event.key];
    if (!step && event.key !== " ") return;
    event.preventDefault();
    const before = this.#cursor;
    if (step) this.#cursor = moved(before, step, this.ink);
    if (!step || event.shiftKey) {
      this.ink.mark();
      this.#stroke(middleOf(before), middleOf(this.#cursor));
      this.onRest();
    }
    const [x, y] = this.#cursor;
    const state = WORDS[this.ink.hole[y * this.ink.width + x]];
    announce(t("Row {row}, column {column}: {state}", { row: y + 1, column: x + 1, state }));
    this.#paint();
  }

  /** @param {number[]} from @param {number[]} to */
  #stroke(from, to) {
    this.ink.stroke(from, to, NIBS[this.#brush] * this.ink.width, this.#brush);
    this.#changed();
  }

  /** @param {PointerEvent} event */
  #down(event) {
    if (event.button !== 0) return;
    this.#canvas.setPointerCapture(event.pointerId);
    this.ink.mark();
    this.#last = this.#at(event);
    this.#cursor = pixelAt(event, this.#canvas, this.ink);
    this.#move(event);
  }

  /** @param {PointerEvent} event */
  #move(event) {
    if (!this.#last) return;
    const here = this.#at(event);
    this.#stroke(this.#last, here);
    this.#last = here;
  }

  #lift() {
    if (!this.#last) return;
    this.#last = null;
    this.onRest();
  }

  /** @param {PointerEvent} event @returns {number[]} in pixels of the picture */
  #at(event) {
    const box = this.#canvas.getBoundingClientRect();
    const { width, height } = this.ink;
    return [((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height];
  }

  /** With the next frame. */
  #paint() {
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.#frame = 0;
    const brush = pen(this.#canvas);
    const { width, height } = this.#canvas;
    const isMoving = this.#mist.ease(this.#mean, true, matchMedia(STILL).matches);
    brush.imageSmoothingEnabled = true;
    brush.drawImage(this.#mist.canvas, 0, 0, width, height);
    pen(this.#known).putImageData(this.#seen(), 0, 0);
    brush.imageSmoothingEnabled = false;
    brush.drawImage(this.#known, 0, 0, width, height);
    if (document.activeElement === this.#canvas && this.#canvas.matches(":focus-visible")) this.#drawCursor(brush);
    if (isMoving) this.#paint();
  }

  /** The ink, and the ending that is chosen in another colour; clear where the fog is seen. */
  #seen() {
    const { hole, width, height } = this.ink;
    const seen = new ImageData(width, height);
    hole.forEach((ink, i) => {
      if (ink !== UNKNOWN) seen.data.set(ink === WHITE ? [255, 255, 255, 255] : [0, 0, 0, 255], 4 * i);
      else if (this.#ending) seen.data.set(THEIRS[Number(this.#ending.data[4 * i] > 127)], 4 * i);
    });
    return seen;
  }

  /** @param {CanvasRenderingContext2D} brush */
  #drawCursor(brush) {
    const side = this.#canvas.width / this.ink.width;
    brush.lineWidth = 3;
    brush.strokeStyle = CURSOR;
    brush.strokeRect(this.#cursor[0] * side, this.#cursor[1] * side, side, side);
  }
}

/** @param {number[]} place */
function middleOf(place) {
  return place.map((part) => part + 0.5);
}
