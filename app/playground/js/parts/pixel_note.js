/** What is known of the pixel under a pointer or a finger, beside it. */

import { el } from "./dom.js";
import { pixelAt } from "../pixels/steps.js";

/** @import {Size} from "../types" */

/** So long after the pointer has moved somebody reads. */
const READ_MS = 8000;
/** So long a finger's note stays when it is lifted. */
const LINGER_MS = 2500;

export class PixelNote {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {() => Size | null} sizeOf the picture on it; null if there is none
   * @param {(x: number, y: number) => string} wordsAt what is said of a pixel; "" = nothing
   */
  constructor(canvas, sizeOf, wordsAt) {
    this.#canvas = canvas;
    this.#sizeOf = sizeOf;
    this.#wordsAt = wordsAt;
    canvas.after(this.#note);
    for (const name of /** @type {const} */ (["pointermove", "pointerdown"])) {
      canvas.addEventListener(name, (event) => {
        this.#event = event;
        this.#movedAt = performance.now();
        this.#show(event);
      });
    }
    for (const name of /** @type {const} */ (["pointerleave", "pointercancel"])) {
      canvas.addEventListener(name, ({ pointerType }) => this.#leave(pointerType));
    }
  }

  /** Whether somebody reads it: a pointer that was left on the picture does not. */
  get isRead() {
    return !this.#note.hidden && performance.now() - this.#movedAt < READ_MS;
  }

  /** Say what is known of the same place of what is shown now. */
  refresh() {
    if (this.#event) this.#show(this.#event);
  }

  #canvas;
  #sizeOf;
  #wordsAt;
  #note = el("span", { class: "pixel-note", hidden: true });
  #timer = 0;
  #movedAt = 0;
  /** Where the pointer is; null if it is elsewhere. @type {PointerEvent | null} */
  #event = null;

  /** @param {PointerEvent} event */
  #show(event) {
    clearTimeout(this.#timer);
    const size = this.#sizeOf();
    const [x, y] = size ? pixelAt(event, this.#canvas, size) : [0, 0];
    const words = size ? this.#wordsAt(x, y) : "";
    this.#note.textContent = words;
    this.#note.hidden = !words;
    if (!words) return;
    const { offsetLeft, offsetTop, offsetWidth } = this.#canvas;
    const box = this.#canvas.getBoundingClientRect();
    const left = event.clientX - box.left;
    const isRight = left > offsetWidth / 2; // it stays within the picture, and above the finger
    this.#note.style.left = `${offsetLeft + left}px`;
    this.#note.style.top = `${offsetTop + event.clientY - box.top}px`;
    this.#note.style.translate = `${isRight ? "-100%" : "0"} calc(-100% - 14px)`;
  }

  /** @param {string} kind of pointer */
  #leave(kind) {
    clearTimeout(this.#timer);
    this.#event = null;
    this.#timer = setTimeout(() => (this.#note.hidden = true), kind === "mouse" ? 0 : LINGER_MS);
  }
}
