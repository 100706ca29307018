/** Painting the hole: by pointer, by keyboard, or with one of the ready-made ones. */

import { announce, el, find, stamp } from "./dom.js";
import { icon } from "./icons.js";
import { say, t } from "./lang.js";
import { Mask } from "./mask.js";
import { canvasOf, pen } from "./raster.js";
import { moved, STEPS } from "./steps.js";

/** @import {Size} from "./types" */

const MOST_SIDE = 1120;
/** The first hole begins so far down: above it, a 2 and a 7 still look the same. */
const FIRST_HOLE = 0.42;
const HATCH = 4;
const HOLE_ALPHA = 0.85;

export class MaskEditor {
  constructor() {
    this.element = stamp("mask-editor");
    this.#canvas = /** @type {HTMLCanvasElement} */ (find(this.element, "canvas"));
    this.#size = find(this.element, "input[type=range]");
    this.#size.addEventListener("input", () => (find(this.element, "output").value = this.#size.value));
    for (const button of this.element.querySelectorAll("button")) {
      if (button.dataset.icon) button.prepend(icon(button.dataset.icon));
      button.addEventListener("click", () => this.#press(button));
    }
    this.#canvas.addEventListener("pointerdown", (event) => this.#down(event));
    this.#canvas.addEventListener("pointermove", (event) => this.#move(event));
    this.#canvas.addEventListener("pointerup", () => this.#up());
    this.#canvas.addEventListener("pointercancel", () => this.#up());
    this.#canvas.addEventListener("keydown", (event) => this.#key(event));
    this.#canvas.addEventListener("focus", () => this.#draw());
    this.#canvas.addEventListener("blur", () => this.#draw());
    this.#canvas.addEventListener("pointerleave", () => this.#look(null));
    this.#enable(false);
  }

  mask = new Mask({ width: 1, height: 1 });

  /** Called when the hole is another one. */
  onChange = () => {};

  /** The same hole for pictures of each size that there was: back at one of them, it is as it was painted there. */
  #sizes = /** @type {Map<string, Mask>} */ (new Map());

  #canvas;
  #size;
  /** @type {HTMLCanvasElement | null} */
  #picture = null;
  #tool = "brush";
  /** @type {number[] | null} */
  #last = null;
  /** @type {number[] | null} */
  #corner = null;
  #cursor = [0, 0];
  /** Where the pointer is. @type {number[] | null} */
  #hover = null;
  /** @type {{hole: Uint8Array} & Size | null} */
  #wanted = null;

  /** Edit this picture; the hole stays. @param {ImageData} picture */
  edit(picture) {
    const isFirst = this.#picture === null;
    this.#picture = canvasOf(picture);
    const { width, height } = picture;
    if (width !== this.mask.width || height !== this.mask.height) {
      this.mask = this.#sizes.get(keyOf(picture)) ?? this.mask.sized(picture);
      this.#cursor = [Math.floor(width / 2), Math.floor(height / 2)];
      this.#size.value = String(Math.max(2, Math.round(width / 10)));
      find(this.element, "output").value = this.#size.value;
    }
    if (isFirst) this.mask.hole = this.mask.hole.map((_, i) => Number(i >= width * Math.ceil(FIRST_HOLE * height)));
    this.#sizes.set(keyOf(picture), this.mask);
    const scale = Math.max(1, Math.floor(MOST_SIDE / width));
    this.#canvas.width = width * scale;
    this.#canvas.height = height * scale;
    this.#enable(true);
    this.#draw();
    this.#takeHole();
  }

  /** The hole is another one: what it was at other sizes counts no more. */
  #changed() {
    this.#sizes = new Map([[keyOf(this.mask), this.mask]]);
    this.#draw();
    this.onChange();
  }

  /** Nothing can be painted before there is a picture. @param {boolean} isReady */
  #enable(isReady) {
    for (const control of this.element.querySelectorAll("button, input")) {
      /** @type {HTMLButtonElement} */ (control).disabled = !isReady;
    }
  }

  /** Now, or when a picture of that size is there. @param {Uint8Array} hole @param {Size} size */
  setHole(hole, { width, height }) {
    this.#wanted = { hole, width, height };
    this.#takeHole();
  }

  #takeHole() {
    const { mask } = this;
    const wanted = this.#wanted;
    if (wanted?.width !== mask.width || wanted.height !== mask.height) return;
    this.#wanted = null;
    mask.setAll((x, y) => wanted.hole[y * mask.width + x] === 1);
    this.#changed();
  }

  /** @param {HTMLButtonElement} button */
  #press(button) {
    const { tool, rule } = button.dataset;
    if (tool) this.#choose(tool);
    const { mask } = this;
    if (rule === "undo") mask.undo();
    if (rule === "redo") mask.redo();
    if (rule === "clear") mask.setAll(() => false);
    if (rule === "invert") mask.setAll((x, y, filled) => !filled);
    if (rule === "lower") mask.setAll((x, y) => y >= mask.height / 2);
    if (rule === "right") mask.setAll((x) => x >= mask.width / 2);
    if (!rule) return;
    this.#changed();
    announce(this.#summary);
  }

  /** Ctrl+Z takes back, Ctrl+Y or with shift does again, wherever the focus is. @param {KeyboardEvent} event */
  takeBack(event) {
    const key = event.key.toLowerCase();
    if (!(event.ctrlKey || event.metaKey) || !["z", "y"].includes(key)) return;
    event.preventDefault();
    if (key === "y" || event.shiftKey) this.mask.redo();
    else this.mask.undo();
    this.#changed();
    announce(this.#summary);
  }

  /** @param {string} tool */
  #choose(tool) {
    this.#tool = tool;
    for (const button of this.element.querySelectorAll("[data-tool]")) {
      button.setAttribute("aria-pressed", String(/** @type {HTMLElement} */ (button).dataset.tool === tool));
    }
  }

  /** @param {PointerEvent} event @returns {number[]} in pixels of the picture */
  #at(event) {
    const box = this.#canvas.getBoundingClientRect();
    const { width, height } = this.mask;
    return [((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height];
  }

  /** @param {PointerEvent} event */
  #down(event) {
    if (event.button !== 0) return;
    this.#canvas.setPointerCapture(event.pointerId);
    this.mask.mark();
    this.#last = this.#at(event);
    this.#corner = this.#last;
    this.#move(event);
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const here = this.#at(event);
    this.#look(here);
    if (!this.#last || !this.#corner) return;
    if (this.#tool === "rectangle") {
      this.mask.undo();
      this.mask.mark();
      this.mask.rectangle(this.#corner, here, 1);
    } else {
      this.mask.stroke(this.#last, here, Number(this.#size.value), Number(this.#tool === "brush"));
    }
    this.#last = here;
    this.#changed();
  }

  /** @param {number[] | null} place */
  #look(place) {
    this.#hover = place;
    this.#draw();
  }

  #up() {
    this.#last = null;
    this.#corner = null;
  }

  /**
   * Arrows move the cursor; the space bar paints or erases under it, and so does shift with an arrow.
   *
   * @param {KeyboardEvent} event
   */
  #key(event) {
    const step = STEPS[event.key];
    const { mask } = this;
    if (!step && event.key !== " ") return;
    event.preventDefault();
    if (step) this.#cursor = moved(this.#cursor, step, mask);
    const [x, y] = this.#cursor;
    if (event.key === " " || event.shiftKey) {
      mask.mark();
      mask.dab(x + 0.5, y + 0.5, Number(this.#size.value), Number(this.#tool !== "erase"));
      this.#changed();
    }
    this.#draw();
    const state = mask.hole[y * mask.width + x] ? t("to be filled") : t("kept");
    announce(t("Row {row}, column {column}: {state}", { row: y + 1, column: x + 1, state }));
  }

  get #summary() {
    const all = this.mask.hole.length;
    return t("{count} pixels of {all} will be filled", { count: say(this.mask.count), all: say(all) });
  }

  #draw() {
    const brush = pen(this.#canvas);
    const { width, height } = this.#canvas;
    brush.imageSmoothingEnabled = false;
    if (this.#picture) brush.drawImage(this.#picture, 0, 0, width, height);
    this.#drawHole(brush);
    if (this.#hover && this.#tool !== "rectangle") this.#drawDab(brush, this.#hover);
    if (document.activeElement === this.#canvas && this.#canvas.matches(":focus-visible")) this.#drawCursor(brush);
    find(this.element, "[data-count]").textContent = this.#summary;
    find(this.element, "[data-rule=undo]").disabled = !this.mask.canUndo;
    find(this.element, "[data-rule=redo]").disabled = !this.mask.canRedo;
  }

  /** @param {CanvasRenderingContext2D} brush */
  #drawHole(brush) {
    const { hole, width } = this.mask;
    const side = this.#canvas.width / width;
    const cell = /** @type {CanvasPattern} */ (brush.createPattern(hatched(), "repeat"));
    brush.fillStyle = cell;
    brush.globalAlpha = HOLE_ALPHA;
    hole.forEach((filled, i) => {
      if (filled) brush.fillRect((i % width) * side, Math.floor(i / width) * side, side, side);
    });
    brush.globalAlpha = 1;
  }

  /** What a click would paint or erase. @param {CanvasRenderingContext2D} brush @param {number[]} place */
  #drawDab(brush, [x, y]) {
    const side = this.#canvas.width / this.mask.width;
    for (const [line, colour] of /** @type {const} */ ([
      [4, "#101010"],
      [2, "#ffffff"],
    ])) {
      brush.lineWidth = line;
      brush.strokeStyle = colour;
      brush.beginPath();
      brush.arc(x * side, y * side, (Number(this.#size.value) / 2) * side, 0, 2 * Math.PI);
      brush.stroke();
    }
  }

  /** @param {CanvasRenderingContext2D} brush */
  #drawCursor(brush) {
    const side = this.#canvas.width / this.mask.width;
    brush.lineWidth = 3;
    brush.strokeStyle = "#ff8a3d";
    brush.strokeRect(this.#cursor[0] * side, this.#cursor[1] * side, side, side);
  }
}

/** @param {Size} size */
function keyOf({ width, height }) {
  return `${width} × ${height}`;
}

/** The look of a hole: slanted stripes, apart from every picture. */
function hatched() {
  const tile = el("canvas", { width: 2 * HATCH, height: 2 * HATCH });
  const brush = pen(tile);
  brush.fillStyle = "#3d63dd";
  brush.fillRect(0, 0, 2 * HATCH, 2 * HATCH);
  brush.fillStyle = "#5b7fee";
  brush.beginPath();
  for (const shift of [-HATCH, HATCH]) {
    brush.moveTo(shift, 2 * HATCH);
    brush.lineTo(shift + HATCH, 2 * HATCH);
    brush.lineTo(shift + 3 * HATCH, 0);
    brush.lineTo(shift + 2 * HATCH, 0);
  }
  brush.fill();
  return tile;
}
