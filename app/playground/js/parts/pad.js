/**
 * The pad: a picture on which one paints with pen, finger or keyboard.
 *
 * Each pixel is as given, painted in a colour, or unknown; over unknown pixels a fog
 * shows what is expected.
 */

import { announce, find, cloneTemplate, swatch } from "./dom.js";
import { Pointer, listenForUndo } from "./pointer.js";
import { icon } from "./icons.js";
import { formatNumber, t } from "../lang.js";
import { largestHole } from "../pixels/holes.js";
import { Mask } from "../pixels/mask.js";
import { Fog } from "../pixels/fog.js";
import { PixelNote } from "./pixel_note.js";
import { edgeOf } from "../pixels/outline.js";
import { blankCanvas, nearestColour, contextOf, rgbaOf } from "../pixels/raster.js";
import { colourName, percent } from "../service/words.js";

/** @import {Model, Size} from "../types" */

/** Number of a pixel that stays as in the picture below. */
export const GIVEN = 0;
/** Number of an unknown pixel. */
export const UNKNOWN = 1;
/** Number of the first colour; the others follow. */
const BLACK = 2;
/** Number of white on paper, of a model without a palette. */
export const WHITE = 3;
/** Words for GIVEN and UNKNOWN. */
const WORDS = [t("as given"), t("unknown")];
/** Colours of a model without a palette. */
const PAPER = { palette: ["#000000", "#ffffff"], names: [t("black"), t("white")] };
/** Width of the nib at first, as a share of the picture's width. */
const NIB = 2.5 / 28;
/** The same in a larger picture, as a share of the largest hole's width. */
const NIB_OF_HOLE = 1 / 3;
/** Side of the canvas in pixels, at most. */
const SIDE = 672;
/** Share of the picture above the first hole. Less would not tell a 2 from a 7. */
const FIRST_HOLE = 0.42;
/** Black and white of a completion that is shown large. */
const THEIRS = [
  [27, 36, 66, 255],
  [157, 180, 255, 255],
];
/** Greys of the pattern for given transparent pixels, so that no fog shows through. */
const CLEAR = [80, 104];
const EDGE = "#6d8dff";
const STILL = "(prefers-reduced-motion: reduce)";

/**
 * A picture on which one paints, and its tools.
 *
 * `onInk` is called when the person paints or uses a tool, and after `copy` and `fill`;
 * `onRest` when the pen is lifted and after tools, `copy` and `fill`.
 */
export class Pad {
  constructor() {
    this.element = cloneTemplate("pad");
    this.#canvas = /** @type {HTMLCanvasElement} */ (find(this.element, "canvas"));
    this.#nib = find(this.element, "input[type=range]");
    this.#nib.addEventListener("input", () => this.#resize());
    this.#pointer = new Pointer(this.#canvas);
    this.#pointer.onBegin = () => this.ink.mark();
    this.#pointer.onStroke = (from, to, first) =>
      first && this.#isBox ? this.#stretch(first, to) : this.#stroke(from, to);
    this.#pointer.onLift = () => this.onRest();
    this.#pointer.onStep = (pixel) => this.#tell(pixel);
    this.#pointer.onMove = () => this.#paint();
    for (const button of this.element.querySelectorAll("button")) {
      const { rule, icon: drawing } = button.dataset;
      // Buttons with a rule are tools; those without choose the ink that is their
      // value.
      if (drawing) button.prepend(icon(drawing));
      button.addEventListener("click", () => (rule ? this.#apply(rule) : this.#take(Number(button.value))));
    }
    new PixelNote(
      this.#canvas,
      () => this.ink,
      (x, y) => this.#chanceAt(x, y),
    );
    listenForUndo(this.#canvas, (rule) => this.#apply(rule));
    this.#take(WHITE);
  }

  /** Return the canvas on which one paints. */
  get paper() {
    return this.#canvas;
  }

  /** Called when the ink has changed. */
  onInk = () => {};
  /** Called when the pen is lifted. */
  onRest = () => {};
  /** Number of each pixel: GIVEN, UNKNOWN or a colour. */
  ink = /** @type {Mask<Uint32Array>} */ (blank({ width: 1, height: 1 }));

  /** Size -> ink as it was painted at that size, so that changing the size and back loses nothing. */
  #sizes = /** @type {Map<string, Mask<Uint32Array>>} */ (new Map());
  /** @type {Pick<Model, "palette" | "names">} */
  #look = PAPER;
  /** Whether the picture below is larger than the model: then only holes are painted, without fog. */
  isWhole = false;
  /** The largest hole that is allowed in a larger picture. @type {Size} */
  #most = { width: 0, height: 0 };
  #canvas;
  #pointer;
  #nib;
  #fog = new Fog();
  #known = blankCanvas(1, 1);
  #brush = WHITE;
  #isBox = false;
  /** Picture below the ink; null for clean paper. @type {ImageData | null} */
  #ground = null;
  /** @type {ImageData | null} */
  #mean = null;
  #isBinary = true;
  /** Completion that is shown in place of the fog. @type {ImageData | null} */
  #completion = null;
  /** Edge of the unknown pixels; null after a change. @type {Path2D | null} */
  #edge = null;
  #frame = 0;

  /**
   * Drop the ink if the new picture is painted with other colours.
   *
   * @param {Pick<Model, "palette" | "names">} look
   */
  #suit(look) {
    if (String(look.palette) === String(this.#look.palette)) return;
    this.#sizes.clear();
    this.#ground = null;
    this.ink = blank({ width: 1, height: 1 });
    this.#offer(look);
  }

  /**
   * Show the colours to paint with.
   *
   * @param {Pick<Model, "palette" | "names">} look
   */
  #offer(look) {
    this.#look = look;
    const row = find(this.element, ".palette");
    row.hidden = this.#isPaper;
    row.replaceChildren(
      ...look.palette.map((colour, i) => swatch(colour, colourName(look, i), () => this.#take(BLACK + i), BLACK + i)),
    );
    for (const button of this.element.querySelectorAll("[data-paper]")) button.toggleAttribute("hidden", !row.hidden);
    if (this.#brush >= BLACK) this.#take(UNKNOWN + look.palette.length);
  }

  /** Return true if the colours are black and white. */
  get #isPaper() {
    return this.#look === PAPER;
  }

  /**
   * Clear the pad for a model: every pixel is unknown.
   *
   * @param {Model} model
   */
  open(model) {
    this.#suit(lookOf(model));
    this.isWhole = false;
    this.#lay(blank(model), null);
    this.#take(UNKNOWN + this.#look.palette.length);
  }

  /** Return true if nothing is painted and no picture lies below. */
  get isBlank() {
    return !this.#ground && this.ink.hole.every((ink) => ink === UNKNOWN);
  }

  /**
   * Turn a picture into ink. On paper, transparent pixels become unknown.
   *
   * @param {ImageData} picture - A picture of the pad's size.
   * @param {number} [known] - Number of its first pixels that are known; the others
   *     become unknown.
   */
  copy({ data }, known = Infinity) {
    const colours = this.#look.palette.map(rgbaOf);
    const pixel = (/** @type {number} */ i) => data.subarray(4 * i, 4 * i + 4);
    const isKnown = (/** @type {number} */ i) => i < known && !(this.#isPaper && pixel(i)[3] < 128);
    this.fill((i) => (isKnown(i) ? BLACK + nearestColour(colours, pixel(i)) : UNKNOWN));
  }

  /**
   * Lay a picture below the ink. Painted and unknown pixels stay.
   *
   * @param {ImageData} picture - A picture of the model's size, or a larger one.
   * @param {Model} model - Model that will fill the holes.
   */
  edit(picture, model) {
    const { width, height } = picture;
    this.#suit(lookOf(model));
    this.isWhole = width !== model.width || height !== model.height;
    this.#most = largestHole(model);
    const isFirst = !this.#ground;
    const isSame = width === this.ink.width && height === this.ink.height;
    const known = isSame && !isFirst ? this.ink : this.#sizes.get(keyOf(picture));
    const ink = known ?? (this.isWhole ? new Mask(picture, new Uint32Array(width * height)) : this.ink.sized(picture));
    if (!this.isWhole && (isFirst || !(known || ink.hole.includes(1))))
      ink.hole = ink.hole.map((_, i) => Number(i >= width * Math.ceil(FIRST_HOLE * height)));
    this.#lay(ink, picture);
    if (isFirst || this.isWhole) this.#take(UNKNOWN);
    this.#sizes.set(keyOf(picture), ink);
  }

  /**
   * Set ink and picture and adapt the canvas.
   *
   * @param {Mask<Uint32Array>} ink
   * @param {ImageData | null} ground
   */
  #lay(ink, ground) {
    const { width, height } = ink;
    this.element.classList.toggle("whole", this.isWhole);
    const isOther = ink !== this.ink;
    this.ink = ink;
    if (isOther) {
      this.#pointer.fit(ink, SIDE);
      this.#known = blankCanvas(width, height);
      this.#nib.value = String(this.#firstNib);
    }
    // A larger picture shows no fog, and one of its size would take much memory.
    if (this.isWhole) this.#fog.fit(1, 1);
    else this.#fog.fit(width, height);
    this.#fog.reset();
    this.#ground = ground;
    this.#mean = null;
    this.#completion = null;
    this.#edge = null;
    this.element.inert = false;
    for (const button of this.element.querySelectorAll("[data-grounded]")) button.toggleAttribute("hidden", !ground);
    this.#resize();
    this.#paint();
  }

  /** Return the width of the nib for a new picture, in its pixels. */
  get #firstNib() {
    if (this.isWhole) return Math.max(1, Math.floor(NIB_OF_HOLE * this.#most.width));
    return this.#isPaper ? Math.max(1, NIB * this.ink.width) : 1;
  }

  /**
   * Replace the ink of every pixel, as one undo step.
   *
   * @param {(i: number) => number} inkAt - Returns the number of a pixel by its index.
   */
  fill(inkAt) {
    this.ink.mark();
    this.ink.hole = this.ink.hole.map((_, i) => inkAt(i));
    this.#changed();
    this.onRest();
  }

  /**
   * Return the picture with the ink. Unknown pixels show the picture below, or the
   * first colour.
   */
  get picture() {
    const { hole, width, height } = this.ink;
    const picture = new ImageData(width, height);
    hole.forEach((ink, i) => picture.data.set(this.#colourOf(ink, i), 4 * i));
    return picture;
  }

  /** Return a mask of the unknown pixels, row by row: 1 for an unknown one. */
  get unknown() {
    const { hole } = this.ink;
    const unknown = new Uint8Array(hole.length);
    // A plain loop: a large picture has millions of pixels, and this runs with each stroke.
    for (let i = 0; i < hole.length; i += 1) if (hole[i] === UNKNOWN) unknown[i] = 1;
    return unknown;
  }

  /**
   * Return red, green, blue and opacity of a pixel with some ink.
   *
   * @param {number} ink
   * @param {number} i
   * @returns {ArrayLike<number>}
   */
  #colourOf(ink, i) {
    if (ink < BLACK && this.#ground) return this.#ground.data.subarray(4 * i, 4 * i + 4);
    return rgbaOf(this.#look.palette[Math.max(0, ink - BLACK)]);
  }

  /**
   * Show expected values as fog over the unknown pixels.
   *
   * @param {ImageData | null} mean - A picture of the pad's size; another size is
   *     ignored. null for plain fog.
   * @param {boolean} [isBinary] - Whether the fog is tinted for black and white.
   */
  showMean(mean, isBinary = this.#isPaper) {
    if (mean && (this.isWhole || mean.width !== this.ink.width)) return;
    this.#mean = mean;
    this.#isBinary = isBinary;
    this.#paint();
  }

  /**
   * Return the probability of white at an unknown pixel as words; "" while a pen is
   * down.
   *
   * @param {number} x
   * @param {number} y
   */
  #chanceAt(x, y) {
    const at = y * this.ink.width + x;
    if (!this.#mean || !this.#isBinary || this.#pointer.first || this.ink.hole[at] !== UNKNOWN) return "";
    return t("White has {percent} here", { percent: percent(this.#mean.data[4 * at] / 255) });
  }

  /**
   * Show a completion in place of the fog; null shows the fog again.
   *
   * @param {ImageData | null} completion - A picture of the pad's size.
   */
  show(completion) {
    this.#completion = completion;
    this.#paint();
  }

  /** Update everything after a change of the ink. */
  #changed() {
    this.#sizes = new Map([[keyOf(this.ink), this.ink]]);
    this.#completion = null;
    this.#edge = null;
    this.#paint();
    this.onInk();
  }

  /**
   * Choose the ink to paint with.
   *
   * @param {number} ink
   */
  #take(ink) {
    this.#brush = ink;
    for (const button of this.element.querySelectorAll("button[value]")) {
      button.setAttribute("aria-pressed", String(button.getAttribute("value") === String(ink)));
    }
  }

  /** Show the width of the nib. */
  #resize() {
    find(this.element, "output").value = formatNumber(Number(this.#nib.value), { maximumFractionDigits: 1 });
  }

  /**
   * Carry out a tool: undo, redo, clear, invert, or a hole of half the picture.
   *
   * @param {string} rule
   */
  #apply(rule) {
    const { ink } = this;
    const { width, height } = ink;
    // Clearing gives the picture below if there is one, else clean paper.
    const base = this.#ground ? GIVEN : UNKNOWN;
    const known = (/** @type {number} */ now) => (now === UNKNOWN ? base : now);
    const rules = /** @type {Record<string, () => void>} */ ({
      undo: () => ink.undo(),
      redo: () => ink.redo(),
      clear: () => ink.setAll(() => base),
      invert: () => ink.setAll((x, y, now) => (now === UNKNOWN ? GIVEN : UNKNOWN)),
      lower: () => ink.setAll((x, y, now) => (y >= height / 2 ? UNKNOWN : known(now))),
      right: () => ink.setAll((x, y, now) => (x >= width / 2 ? UNKNOWN : known(now))),
    });
    if (rule === "box") {
      this.#isBox = !this.#isBox;
      return find(this.element, "[data-rule=box]").setAttribute("aria-pressed", String(this.#isBox));
    }
    // The keyboard asks for these two also while their buttons are disabled.
    if ((rule === "undo" && !ink.canUndo) || (rule === "redo" && !ink.canRedo)) return;
    rules[rule]();
    this.#changed();
    announce(this.#summary);
    this.onRest();
  }

  /**
   * Announce a pixel's place and ink.
   *
   * @param {number[]} pixel
   */
  #tell([x, y]) {
    const ink = this.ink.hole[y * this.ink.width + x];
    const state = WORDS[ink] ?? colourName(this.#look, ink - BLACK);
    announce(t("Row {row}, column {column}: {state}", { row: y + 1, column: x + 1, state }));
  }

  /**
   * @param {number[]} from
   * @param {number[]} to
   */
  #stroke(from, to) {
    const size = Number(this.#nib.value);
    this.ink.stroke(from, to, size, this.#brush);
    // A white line gets known black sides; otherwise the likeliest completion is a fatter line.
    if (this.#isPaper && this.#brush === WHITE && !this.#ground) this.ink.sides(from, to, size, BLACK, UNKNOWN);
    this.#changed();
  }

  /**
   * Replace the rectangle that is being drawn.
   *
   * @param {number[]} from
   * @param {number[]} to
   */
  #stretch(from, to) {
    this.ink.undo();
    this.ink.mark();
    this.ink.rectangle(from, to, this.#brush);
    this.#changed();
  }

  /** Return how many pixels are unknown, in words. */
  get #summary() {
    const { count, hole } = this.ink;
    return t("{count} pixels of {all} are unknown", { count: formatNumber(count), all: formatNumber(hole.length) });
  }

  /** Paint the pad in the next animation frame. */
  #paint() {
    find(this.element, "[data-count]").textContent = this.#summary;
    find(this.element, "[data-rule=undo]").disabled = !this.ink.canUndo;
    find(this.element, "[data-rule=redo]").disabled = !this.ink.canRedo;
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.#frame = 0;
    const brush = contextOf(this.#canvas);
    const { width, height } = this.#canvas;
    const isMoving = this.#fog.ease(this.#mean, this.#isBinary, matchMedia(STILL).matches);
    brush.imageSmoothingEnabled = true;
    brush.drawImage(this.#fog.canvas, 0, 0, width, height);
    if (!this.#edge || !this.isWhole) contextOf(this.#known).putImageData(this.#visiblePixels(), 0, 0);
    brush.imageSmoothingEnabled = false;
    brush.drawImage(this.#known, 0, 0, width, height);
    this.#drawLines();
    if (isMoving) this.#paint();
  }

  /**
   * Return the known pixels and the completion that is shown, transparent where the fog
   * is seen.
   */
  #visiblePixels() {
    const { hole, width, height } = this.ink;
    if (this.isWhole) return this.#wholeWithHoles();
    const visible = new ImageData(width, height);
    hole.forEach((ink, i) => {
      const completion = this.#completion?.data.subarray(4 * i, 4 * i + 4);
      const theirs = this.#isPaper && completion ? THEIRS[Number(completion[0] > 127)] : completion;
      const pixel = ink === UNKNOWN ? theirs : this.#colourOf(ink, i);
      const tone = CLEAR[((i % width) + Math.floor(i / width)) % 2];
      if (pixel) visible.data.set(pixel[3] ? pixel : [tone, tone, tone, 255], 4 * i);
    });
    return visible;
  }

  /** Return a larger picture, transparent where it is unknown. */
  #wholeWithHoles() {
    const { hole } = this.ink;
    const { data, width } = /** @type {ImageData} */ (this.#ground);
    const visible = new ImageData(data.slice(), width);
    for (let i = 0; i < hole.length; i += 1) if (hole[i] === UNKNOWN) visible.data[4 * i + 3] = 0;
    return visible;
  }

  /** Paint the edge of the hole, the nib, and the place of the keyboard. */
  #drawLines() {
    const pointer = this.#pointer;
    this.#edge ??= new Path2D(edgeOf(this.unknown, this.ink));
    if (this.#ground || !this.#isPaper) pointer.line(this.#edge, EDGE, 3);
    if (pointer.hover && !this.#isBox) {
      const dab = new Path2D();
      dab.arc(pointer.hover[0], pointer.hover[1], Number(this.#nib.value) / 2, 0, 2 * Math.PI);
      pointer.line(dab, "#101010", 4);
      pointer.line(dab, "#ffffff", 2);
    }
    if (this.isWhole && pointer.hover) this.#drawRoom(pointer.first ?? pointer.hover);
    pointer.drawCursor();
  }

  /**
   * Paint the largest allowed hole around a place.
   *
   * @param {number[]} place
   */
  #drawRoom([x, y]) {
    const { width, height } = this.#most;
    const box = new Path2D();
    box.rect(x - width / 2, y - height / 2, width, height);
    this.#pointer.line(box, "#101010", 3);
    this.#pointer.line(box, EDGE, 2);
  }
}

/**
 * Return the colours to paint with in a model's pictures.
 *
 * @param {Model} model
 */
function lookOf(model) {
  return model.palette?.length ? model : PAPER;
}

/**
 * Return ink of which every pixel is unknown.
 *
 * @param {Size} size
 */
function blank({ width, height }) {
  return new Mask({ width, height }, new Uint32Array(width * height).fill(UNKNOWN));
}

/** @param {Size} size */
function keyOf({ width, height }) {
  return `${width} × ${height}`;
}
