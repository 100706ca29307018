/** A note beside the pointer about the pixel under it. */

import { el } from "./dom.js";
import { pixelAt } from "../pixels/steps.js";

/** @import {Size} from "../types" */

/** Milliseconds after a movement during which somebody may be reading the note. */
const READ_MS = 8000;
/** Milliseconds that the note stays after a finger is lifted. */
const LINGER_MS = 2500;

/**
 * Shows words about the pixel under a pointer or finger. Its element is added behind the
 * canvas.
 */
export class PixelNote {
  /**
   * @param {HTMLCanvasElement} canvas - Element that shows the picture.
   * @param {() => Size | null} sizeOf - Returns the size of the picture in pixels; null
   *     if there is none.
   * @param {(x: number, y: number) => string} wordsAt - Returns the words for a pixel;
   *     "" shows no note.
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

  /** Return true if the note is shown and the pointer has moved lately. */
  get isRead() {
    return !this.#note.hidden && performance.now() - this.#movedAt < READ_MS;
  }

  /** Renew the words for the pixel under the pointer. */
  refresh() {
    if (this.#event) this.#show(this.#event);
  }

  #canvas;
  #sizeOf;
  #wordsAt;
  #note = el("span", { class: "pixel-note", hidden: true });
  #timer = 0;
  #movedAt = 0;
  /** Last event of the pointer; null if it has left the canvas. @type {PointerEvent | null} */
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
    // The note stays within the picture and above the finger.
    const isRight = left > offsetWidth / 2;
    this.#note.style.left = `${offsetLeft + left}px`;
    this.#note.style.top = `${offsetTop + event.clientY - box.top}px`;
    this.#note.style.translate = `${isRight ? "-100%" : "0"} calc(-100% - 14px)`;
  }

  /**
   * Hide the note: at once for a mouse, later for a finger.
   *
   * @param {string} kind - Type of the pointer.
   */
  #leave(kind) {
    clearTimeout(this.#timer);
    this.#event = null;
    this.#timer = setTimeout(() => (this.#note.hidden = true), kind === "mouse" ? 0 : LINGER_MS);
  }
}
