/**
 * A pen, finger, mouse or keyboard over a picture: where it is, and the strokes that it
 * makes. Knows no ink.
 */

import { isTextInput } from "./dom.js";
import { contextOf } from "../pixels/raster.js";
import { neighbour, pixelAt, placeAt, STEPS } from "../pixels/steps.js";

/** @import {Size} from "../types" */

const CURSOR = "#ff8a3d";

/** Turns pointer and keyboard events on a canvas into strokes in pixels of the picture. */
export class Pointer {
  /**
   * @param {HTMLCanvasElement} canvas - Element that shows the picture; listeners are
   *     added to it.
   */
  constructor(canvas) {
    this.#canvas = canvas;
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const end of /** @type {const} */ (["pointerup", "pointercancel"])) {
      canvas.addEventListener(end, (event) => event.pointerId === this.#pointerId && this.#lift());
    }
    canvas.addEventListener("pointerleave", () => this.#look(null));
    canvas.addEventListener("keydown", (event) => this.#steer(event));
    for (const change of ["focus", "blur"]) canvas.addEventListener(change, () => this.onMove());
  }

  /** Called when a stroke begins. */
  onBegin = () => {};
  /**
   * Called with the two ends of a part of a stroke and the place where the stroke began, null
   * for the keyboard; each as [x, y] in pixels of the picture.
   *
   * @type {(from: number[], to: number[], first: number[] | null) => void}
   */
  onStroke = () => {};
  /** Called when a stroke ends. */
  onLift = () => {};
  /** Called when the pointer or the keyboard is elsewhere, and when the canvas gains or loses the focus. */
  onMove = () => {};
  /** Called with [x, y] of the pixel to which the keyboard has moved. @type {(pixel: number[]) => void} */
  onStep = () => {};
  /** Place of the pointer in pixels of the picture; null if it is not over the canvas. @type {number[] | null} */
  hover = null;

  #canvas;
  /** Id of the pointer that is down, and whether it is a pen. A pen replaces the palm that rests beside it. */
  #pointerId = -1;
  #isPen = false;
  /** @type {Size} */
  #size = { width: 1, height: 1 };
  /** Where the stroke began, and where it is now. @type {number[] | null} */
  #first = null;
  /** @type {number[] | null} */
  #last = null;
  /** [x, y] of the pixel where the pointer or keyboard was last. */
  cursor = [0, 0];

  /**
   * Set the size of the picture; the canvas gets a whole number of pixels for each of
   * its pixels.
   *
   * @param {Size} size
   * @param {number} side - Width of the canvas in pixels, at most; it has at least the
   *     width of the picture.
   */
  fit({ width, height }, side) {
    const scale = Math.max(1, Math.floor(side / width));
    this.#canvas.width = scale * width;
    this.#canvas.height = scale * height;
    this.#size = { width, height };
    this.cursor = [Math.floor(width / 2), Math.floor(height / 2)];
  }

  /**
   * Move with the arrow keys; stroke with the space bar, with Enter, or while Shift is
   * pressed.
   *
   * @param {KeyboardEvent} event
   */
  #steer(event) {
    const step = STEPS[event.key];
    if (!step && event.key !== " " && event.key !== "Enter") return;
    event.preventDefault();
    this.hover = null;
    const before = this.cursor;
    if (step) this.cursor = neighbour(before, step, this.#size);
    if (!step || event.shiftKey) {
      this.onBegin();
      this.onStroke(middleOf(before), middleOf(this.cursor), null);
      this.onLift();
    }
    this.onStep(this.cursor);
    this.onMove();
  }

  /** Return the place where the stroke began; null if the pointer is up. */
  get first() {
    return this.#first;
  }

  /** @param {PointerEvent} event */
  #down(event) {
    if (event.button !== 0 || !event.isPrimary) return;
    const isPen = event.pointerType === "pen";
    if (this.#last && (this.#isPen || !isPen)) return;
    this.#lift();
    this.#pointerId = event.pointerId;
    this.#isPen = isPen;
    let isUp = false;
    try {
      this.#canvas.setPointerCapture(event.pointerId);
    } catch {
      // The stroke was a tap on another canvas, which has ended.
      isUp = true;
    }
    this.onBegin();
    this.#first = this.#last = placeAt(event, this.#canvas, this.#size);
    this.cursor = pixelAt(event, this.#canvas, this.#size);
    this.#move(event);
    if (isUp) this.#lift();
  }

  /**
   * Continue a stroke, or note where the pointer is.
   *
   * @param {PointerEvent} event
   */
  #move(event) {
    if (!event.isPrimary || (this.#last && event.pointerId !== this.#pointerId)) return;
    const here = placeAt(event, this.#canvas, this.#size);
    this.#look(here);
    if (!this.#last) return;
    this.onStroke(this.#last, here, this.#first);
    this.#last = here;
  }

  #lift() {
    if (!this.#last) return;
    this.#pointerId = -1;
    this.#first = this.#last = null;
    this.onLift();
  }

  /** @param {number[] | null} place */
  #look(place) {
    this.hover = place;
    this.onMove();
  }

  /**
   * Paint a path on the canvas.
   *
   * @param {Path2D} path - Path in pixels of the picture.
   * @param {string} colour
   * @param {number} width - Width of the line in pixels of the canvas.
   */
  line(path, colour, width) {
    const brush = contextOf(this.#canvas);
    const side = this.#canvas.width / this.#size.width;
    brush.save();
    brush.scale(side, side);
    const { width: all, clientWidth: seen } = this.#canvas;
    // A canvas that is shown smaller than it is needs wider lines.
    brush.lineWidth = (width / side) * Math.max(1, all / (seen || all) / 2);
    brush.strokeStyle = colour;
    brush.stroke(path);
    brush.restore();
  }

  /** Paint a frame around the keyboard's pixel, if the keyboard is in use. */
  drawCursor() {
    if (document.activeElement !== this.#canvas || !this.#canvas.matches(":focus-visible")) return;
    const pixel = new Path2D();
    pixel.rect(this.cursor[0], this.cursor[1], 1, 1);
    this.line(pixel, CURSOR, 3);
  }
}

/**
 * Call a function on Ctrl+Z (undo) and on Ctrl+Y or Ctrl+Shift+Z (redo), wherever the
 * focus is, except in text fields.
 *
 * @param {HTMLElement} element - Only while this element has a visible box, and no dialog lies
 *     over it.
 * @param {(rule: string) => void} act - Called with "undo" or "redo".
 */
export function listenForUndo(element, act) {
  addEventListener("keydown", (event) => {
    const key = event.key.toLowerCase();
    const isReached = element.checkVisibility() && !document.querySelector("dialog:modal");
    const isMeant = isReached && (event.ctrlKey || event.metaKey) && !isTextInput(event.target);
    if (!isMeant || !["z", "y"].includes(key)) return;
    event.preventDefault();
    act(key === "y" || event.shiftKey ? "redo" : "undo");
  });
}

/**
 * Return the middle of a pixel.
 *
 * @param {number[]} pixel
 */
function middleOf(pixel) {
  return pixel.map((part) => part + 0.5);
}
