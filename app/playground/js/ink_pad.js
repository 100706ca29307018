/** Black paper: the reader draws the upper part of a picture, and the network finishes it when the pen is lifted. */

import { completionOf } from "./complete_view.js";
import { announce, find, isWriting } from "./dom.js";
import { friendlySeed } from "./draw_fields.js";
import { follow } from "./events.js";
import { t } from "./lang.js";
import { Mask } from "./mask.js";
import { pen } from "./raster.js";
import { Latest } from "./signal.js";
import { moved, STEPS } from "./steps.js";
import { Tiles } from "./tiles.js";

/** @import {Shared} from "./drawing_view.js" */
/** @import {Model} from "./types" */

const REST_MS = 300;
const ENDINGS = 8;
/** The width of the pen in pixels of a picture of 28. */
const NIB = 2.4 / 28;
const SIDE = 672;
const OWN = "#ffffff";
const THEIRS = "#9db4ff";
const CURSOR = "#ff8a3d";

export class InkPad {
  /** @param {HTMLElement} view @param {Shared} shared */
  constructor(view, { api }) {
    this.#view = view;
    this.#api = api;
    this.#canvas = /** @type {HTMLCanvasElement} */ (find(view, "canvas"));
    this.#canvas.addEventListener("pointerdown", (event) => this.#down(event));
    this.#canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const end of ["pointerup", "pointercancel"]) this.#canvas.addEventListener(end, () => this.#lift());
    find(view, "[data-act=clear]").addEventListener("click", () => this.#model && this.open(this.#model));
    this.#use = find(view, "[data-act=use]");
    find(view, ".endings").append(this.#tiles.element);
    this.#tiles.onOpen = (sample) => (this.#shown = sample);
    this.#canvas.addEventListener("keydown", (event) => this.#steer(event));
    addEventListener("keydown", (event) => this.#key(event));
  }

  /** @type {(error: unknown) => void} */
  onTrouble = () => {};
  isOpen = false;

  #view;
  #api;
  #canvas;
  #use;
  #tiles = new Tiles();
  #ink = new Mask({ width: 1, height: 1 });
  /** @type {Model | null} */
  #model = null;
  /** @type {number[] | null} */
  #last = null;
  #timer = 0;
  #frame = 0;
  #asking = new Latest();
  /** The ending that is seen large. */
  #shown = 0;
  /** Where the keyboard is. */
  #cursor = [0, 0];
  #name = "";

  /** Clean paper. @param {Model} model */
  open(model) {
    this.close();
    this.isOpen = true;
    this.#model = model;
    this.#ink = new Mask(model);
    const scale = Math.floor(SIDE / model.width);
    this.#canvas.width = scale * model.width;
    this.#canvas.height = scale * model.height;
    this.#canvas.classList.add("paper");
    this.#cursor = [Math.floor(model.width / 2), Math.floor(model.height / 4)];
    this.#name ||= this.#canvas.getAttribute("aria-label") ?? "";
    this.#canvas.tabIndex = 0;
    this.#canvas.setAttribute("role", "application");
    this.#canvas.setAttribute(
      "aria-label",
      t("Your paper. Arrow keys move, the space bar draws, shift with an arrow draws on the way."),
    );
    this.#paint();
  }

  close() {
    this.isOpen = false;
    clearTimeout(this.#timer);
    cancelAnimationFrame(this.#frame);
    this.#forget();
    this.#canvas.classList.remove("paper");
    this.#canvas.removeAttribute("tabindex");
    this.#canvas.setAttribute("role", "img");
    if (this.#name) this.#canvas.setAttribute("aria-label", this.#name);
  }

  /** Arrows move; the space bar draws, and shift on the way. @param {KeyboardEvent} event */
  #steer(event) {
    const step = STEPS[event.key];
    if (!this.isOpen || (!step && event.key !== " ")) return;
    event.preventDefault();
    const before = this.#cursor;
    if (step) this.#cursor = moved(before, step, this.#ink);
    const [x, y] = this.#cursor;
    if (!step || event.shiftKey) {
      this.#ink.mark();
      const middle = (/** @type {number[]} */ place) => place.map((part) => part + 0.5);
      this.#ink.stroke(middle(before), middle(this.#cursor), NIB * this.#ink.width, true);
      if (this.#tiles.paintings.length) this.#forget();
      this.#finishSoon();
    }
    const state = this.#ink.hole[y * this.#ink.width + x] ? t("white") : t("black");
    announce(t("Row {row}, column {column}: {state}", { row: y + 1, column: x + 1, state }));
  }

  /** What was drawn belongs to other ink. */
  #forget() {
    this.#asking.ask();
    this.#tiles.stop();
    this.#tiles.paintings = [];
    this.#tiles.clear();
    this.#use.hidden = true;
    this.#say("");
  }

  /** @param {PointerEvent} event */
  #down(event) {
    if (!this.isOpen || event.button !== 0) return;
    this.#canvas.setPointerCapture(event.pointerId);
    this.#ink.mark();
    this.#last = this.#at(event);
    this.#move(event);
  }

  /** @param {PointerEvent} event */
  #move(event) {
    if (!this.#last) return;
    clearTimeout(this.#timer);
    const here = this.#at(event);
    this.#ink.stroke(this.#last, here, NIB * this.#ink.width, true);
    this.#last = here;
    if (this.#tiles.paintings.length) this.#forget();
  }

  #lift() {
    if (!this.#last) return;
    this.#last = null;
    this.#finishSoon();
  }

  #finishSoon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#finish(), REST_MS);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const key = event.key.toLowerCase();
    const isMeant = this.isOpen && !this.#view.hidden && (event.ctrlKey || event.metaKey) && !isWriting(event.target);
    if (!isMeant || !["z", "y"].includes(key)) return;
    event.preventDefault();
    if (key === "y" || event.shiftKey) this.#ink.redo();
    else this.#ink.undo();
    this.#forget();
    this.#finishSoon();
  }

  /** @param {PointerEvent} event @returns {number[]} in pixels of the picture */
  #at(event) {
    const box = this.#canvas.getBoundingClientRect();
    const { width, height } = this.#ink;
    return [((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height];
  }

  /** All rows below the lowest ink are the network's. */
  async #finish() {
    const { hole: ink, width, height } = this.#ink;
    const first = width * (Math.floor(ink.lastIndexOf(1) / width) + 1);
    if (!this.#model || !first) return;
    if (first === ink.length) return this.#say(t("Leave some room below, or there is nothing left to draw."));
    const signal = this.#asking.ask();
    const picture = new ImageData(width, height);
    ink.forEach((isWhite, i) => picture.data.set(isWhite ? [255, 255, 255, 255] : [0, 0, 0, 255], 4 * i));
    const hole = ink.map((_, i) => Number(i >= first));
    this.#say(t("The network draws…"));
    try {
      const settings = { n: ENDINGS, seed: friendlySeed(), temperature: 1 };
      const { path, body, given } = await completionOf(this.#model.name, picture, hole, settings);
      const job = await this.#api.submit(path, body);
      this.#api.takeBackWith(job.id, signal);
      this.#shown = 0;
      await this.#tiles.lay(job, given);
      for await (const event of follow(this.#api, job.id, signal, () => {})) {
        if (event.name === "row") this.#tiles.put(event.data);
      }
      if (signal.aborted) return;
      this.#api.settled(job.id);
      this.#tiles.rest();
      this.#use.href = `#complete/${job.id}`;
      this.#use.hidden = false;
      this.#say(t("Eight endings. Choose one to see it large, or draw on."));
    } catch (error) {
      if (!signal.aborted) this.onTrouble(error);
    }
  }

  /** The ink, and the ending that is chosen in another colour, as far as it has come. */
  #paint() {
    if (this.isOpen) this.#frame = requestAnimationFrame(() => this.#paint());
    if (this.#view.hidden) return;
    const brush = pen(this.#canvas);
    const { width, height } = this.#canvas;
    const side = width / this.#ink.width;
    brush.fillStyle = "#000000";
    brush.fillRect(0, 0, width, height);
    const rows = this.#tiles.paintings[this.#shown]?.large;
    this.#ink.hole.forEach((isInk, i) => {
      const isTheirs = !isInk && rows && rows.pixels.data[4 * i] > 127 && i < rows.next * this.#ink.width;
      if (!isInk && !isTheirs) return;
      brush.fillStyle = isInk ? OWN : THEIRS;
      brush.fillRect((i % this.#ink.width) * side, Math.floor(i / this.#ink.width) * side, side, side);
    });
    if (document.activeElement !== this.#canvas || !this.#canvas.matches(":focus-visible")) return;
    brush.lineWidth = 3;
    brush.strokeStyle = CURSOR;
    brush.strokeRect(this.#cursor[0] * side, this.#cursor[1] * side, side, side);
  }

  /** @param {string} text */
  #say(text) {
    find(this.#view, ".mine .standing").textContent = text;
  }
}
