/** A small picture that is painted pixel by pixel, in colours: with pen, finger or keyboard. */

import { announce, find, stamp, swatch } from "./dom.js";
import { Hand, listenForUndo } from "./hand.js";
import { icon } from "./icons.js";
import { t } from "../lang.js";
import { Mask } from "../pixels/mask.js";
import { canvasOf, pen } from "../pixels/raster.js";

const WHITE = 0xffffff;
/** Each of them one that 16 values know. */
const PALETTE = /** @type {const} */ ([
  ["#222222", t("Black")],
  ["#999999", t("Grey")],
  ["#885533", t("Brown")],
  ["#ee2233", t("Red")],
  ["#ff9933", t("Orange")],
  ["#ffcc33", t("Yellow")],
  ["#44aa44", t("Green")],
  ["#99ddff", t("Light blue")],
  ["#3388ee", t("Blue")],
  ["#8855cc", t("Purple")],
  ["#ff99bb", t("Pink")],
  ["#ffffff", t("White")],
]);
const FIRST = "#ee2233";
const SIDE = 448;
const GRID = "#80808060";
const HOVER = "#6d8dff";

export class Doodle {
  constructor() {
    this.element = stamp("doodle");
    const canvas = /** @type {HTMLCanvasElement} */ (find(this.element, "canvas"));
    this.#canvas = canvas;
    this.#hand = new Hand(canvas);
    this.#hand.onBegin = () => this.#ink.mark();
    this.#hand.onStroke = (from, to) => this.#ink.stroke(from, to, 0, this.#colour);
    this.#hand.onStep = (pixel) => this.#tell(pixel);
    this.#hand.onLook = () => this.#paint();
    this.#own = find(this.element, "input[type=color]");
    this.#own.addEventListener("input", () => this.#take(this.#own.value));
    find(this.element, ".palette").prepend(
      ...PALETTE.map(([colour, name]) => swatch(colour, name, () => this.#take(colour))),
    );
    for (const button of this.element.querySelectorAll("[data-rule]")) {
      const { rule = "", icon: drawing } = /** @type {HTMLElement} */ (button).dataset;
      if (drawing) button.prepend(icon(drawing));
      button.addEventListener("click", () => this.#apply(rule));
    }
    listenForUndo(this.element, (rule) => this.#apply(rule));
    this.#take(FIRST);
  }

  #canvas;
  #hand;
  #own;
  /** 0xRRGGBB of each pixel. */
  #ink = new Mask({ width: 1, height: 1 }, new Uint32Array(1));
  #colour = WHITE;
  /** What it began with. */
  #ground = "";
  #frame = 0;

  /** Begin with this one, unless it is what is painted on already. @param {ImageData} picture */
  edit({ data, width, height }) {
    const colours = Uint32Array.from({ length: width * height }, (_, i) => colourAt(data, 4 * i));
    const ground = `${width} ${colours}`;
    if (ground === this.#ground) return;
    this.#ground = ground;
    const isSame = width === this.#ink.width && height === this.#ink.height;
    if (isSame) this.#ink.setAll((x, y) => colours[y * width + x]);
    else {
      this.#ink = new Mask({ width, height }, colours);
      this.#hand.fit(this.#ink, SIDE);
    }
    this.element.inert = false;
    this.#paint();
  }

  get picture() {
    const { hole, width, height } = this.#ink;
    const picture = new ImageData(width, height);
    hole.forEach((colour, i) => picture.data.set([colour >> 16, (colour >> 8) & 255, colour & 255, 255], 4 * i));
    return picture;
  }

  /** @param {string} colour */
  #take(colour) {
    this.#colour = parseInt(colour.slice(1), 16);
    this.#own.value = colour;
    for (const button of this.element.querySelectorAll(".swatch")) {
      button.setAttribute("aria-pressed", String(/** @type {HTMLButtonElement} */ (button).value === colour));
    }
  }

  /** @param {number[]} pixel */
  #tell([x, y]) {
    const colour = `#${this.#ink.hole[y * this.#ink.width + x].toString(16).padStart(6, "0")}`;
    const state = PALETTE.find(([one]) => one === colour)?.[1] ?? colour;
    announce(t("Row {row}, column {column}: {state}", { row: y + 1, column: x + 1, state }));
  }

  /** @param {string} rule */
  #apply(rule) {
    if (rule === "undo") this.#ink.undo();
    if (rule === "redo") this.#ink.redo();
    if (rule === "clear") this.#ink.setAll(() => WHITE);
    this.#paint();
  }

  /** With the next frame. */
  #paint() {
    find(this.element, "[data-rule=undo]").disabled = !this.#ink.canUndo;
    find(this.element, "[data-rule=redo]").disabled = !this.#ink.canRedo;
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.#frame = 0;
    const brush = pen(this.#canvas);
    brush.imageSmoothingEnabled = false;
    brush.drawImage(canvasOf(this.picture), 0, 0, this.#canvas.width, this.#canvas.height);
    this.#hand.line(this.#grid(), GRID, 1);
    if (this.#hand.hover) {
      const pixel = new Path2D();
      pixel.rect(Math.floor(this.#hand.hover[0]), Math.floor(this.#hand.hover[1]), 1, 1);
      this.#hand.line(pixel, HOVER, 3);
    }
    this.#hand.drawCursor();
  }

  #grid() {
    const { width, height } = this.#ink;
    const lines = new Path2D();
    for (let x = 1; x < width; x += 1) lines.rect(x, 0, 0, height);
    for (let y = 1; y < height; y += 1) lines.rect(0, y, width, 0);
    return lines;
  }
}

/** @param {Uint8ClampedArray} data @param {number} at */
function colourAt(data, at) {
  return (data[at] << 16) | (data[at + 1] << 8) | data[at + 2];
}
