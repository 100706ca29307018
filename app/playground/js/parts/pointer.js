/** A pen, a finger or the keyboard over a picture: where it is, and what it strokes. Knows no ink. */

import { isTextInput } from "./dom.js";
import { contextOf } from "../pixels/raster.js";
import { neighbour, pixelAt, placeAt, STEPS } from "../pixels/steps.js";

/** @import {Size} from "../types" */

const CURSOR = "#ff8a3d";

export class Pointer {
  /** @param {HTMLCanvasElement} canvas */
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

  /** Called when it is put down. */
  onBegin = () => {};
  /**
   * Called with two places, in pixels of the picture, and with the one where it was put down; null by keyboard.
   *
   * @type {(from: number[], to: number[], first: number[] | null) => void}
   */
  onStroke = () => {};
  /** Called when it is lifted. */
  onLift = () => {};
  /** Called when it is elsewhere. */
  onMove = () => {};
  /** Called with the pixel where the keyboard is now. @type {(pixel: number[]) => void} */
  onStep = () => {};
  /** Where the pointer is. @type {number[] | null} */
  hover = null;

  #canvas;
  /** The id of the pointer that is down, and whether it is a pen; a pen takes over from the palm that rests beside it. */
  #pointerId = -1;
  #isPen = false;
  /** @type {Size} */
  #size = { width: 1, height: 1 };
  /** Where it was put down, and where it is. @type {number[] | null} */
  #first = null;
  /** @type {number[] | null} */
  #last = null;
  /** The pixel where it was last. */
  cursor = [0, 0];

  /** Another size of the picture: the canvas has as many pixels as fit. @param {Size} size @param {number} side of the canvas */
  fit({ width, height }, side) {
    const scale = Math.max(1, Math.floor(side / width));
    this.#canvas.width = scale * width;
    this.#canvas.height = scale * height;
    this.#size = { width, height };
    this.cursor = [Math.floor(width / 2), Math.floor(height / 2)];
  }

  /** Arrows move; the space bar or Enter strokes, and shift on the way. @param {KeyboardEvent} event */
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

  /** Where it was put down; null while it is up. */
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
    this.#canvas.setPointerCapture(event.pointerId);
    this.onBegin();
    this.#first = this.#last = placeAt(event, this.#canvas, this.#size);
    this.cursor = pixelAt(event, this.#canvas, this.#size);
    this.#move(event);
  }

  /** @param {PointerEvent} event */
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

  /** A path in pixels of the picture, its width in those of the canvas. @param {Path2D} path @param {string} colour @param {number} width */
  line(path, colour, width) {
    const brush = contextOf(this.#canvas);
    const side = this.#canvas.width / this.#size.width;
    brush.save();
    brush.scale(side, side);
    const { width: all, clientWidth: seen } = this.#canvas;
    brush.lineWidth = (width / side) * Math.max(1, all / (seen || all) / 2); // of a large picture, as wide to the eye
    brush.strokeStyle = colour;
    brush.stroke(path);
    brush.restore();
  }

  /** The pixel where the keyboard is, if it is in use. */
  drawCursor() {
    if (document.activeElement !== this.#canvas || !this.#canvas.matches(":focus-visible")) return;
    const pixel = new Path2D();
    pixel.rect(this.cursor[0], this.cursor[1], 1, 1);
    this.line(pixel, CURSOR, 3);
  }
}

/** Ctrl+Z takes back, Ctrl+Y or with shift does again, wherever the focus is. @param {HTMLElement} element that is seen then @param {(rule: string) => void} act */
export function listenForUndo(element, act) {
  addEventListener("keydown", (event) => {
    const key = event.key.toLowerCase();
    const isMeant = element.checkVisibility() && (event.ctrlKey || event.metaKey) && !isTextInput(event.target);
    if (!isMeant || !["z", "y"].includes(key)) return;
    event.preventDefault();
    act(key === "y" || event.shiftKey ? "redo" : "undo");
  });
}

/** @param {number[]} pixel */
function middleOf(pixel) {
  return pixel.map((part) => part + 0.5);
}
