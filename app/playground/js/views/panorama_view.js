/**
 * The view "Panorama": one wide picture that goes on downwards for as long as one
 * scrolls.
 *
 * A taller field begins with the rows of a shorter one of the same seed, so more of it
 * is drawn as a taller one.
 */

import { formatNumber, t } from "../lang.js";
import { el, find } from "../parts/dom.js";
import { DrawFields } from "../parts/draw_fields.js";
import { clearTrouble, field, clearTroubleOnChange, showTrouble, submitRow } from "../parts/fields.js";
import { blankCanvas, writeBytes, contextOf } from "../pixels/raster.js";
import { FollowedJob } from "../service/followed_job.js";
import { titleOf } from "../service/kinds.js";
import { FieldTrouble } from "../service/problems.js";
import { LatestRequest } from "../signal.js";

/** @import {Model, RowEvent, Shared} from "../types" */

/** Widths that are offered, in pixels. */
const WIDTHS = [96, 160, 256];
/** Rows that are drawn at first. */
const FIRST_ROWS = 96;
/** Pixels of the picture, at most, until the server has stated its limit. */
const MOST_PIXELS = 65_536;

/** Settings of a panorama. @typedef {{model: string, width: number, seed: number, temperature: number}} PanoramaOptions */

/**
 * The view at #panorama. rooms.js makes one when the view is first opened.
 *
 * `open(place)` shows the panorama that the address names; `leave()` cancels what is
 * being drawn. Errors are shown beside the form.
 */
export class PanoramaView {
  /**
   * @param {HTMLElement} element - Section of the view.
   * @param {Shared} shared - State and services of the page.
   */
  constructor(element, shared) {
    this.#shared = shared;
    this.#element = element;
    this.#form = /** @type {HTMLFormElement} */ (find(element, "form"));
    this.#fields = new DrawFields(1, shared.info);
    find(this.#fields.element, "[data-field=n]").hidden = true;
    this.#width.append(...WIDTHS.map((width) => new Option(t("{width} pixels", { width }), String(width))));
    const fields = [field("model", t("Model"), this.#model), field("size", t("Width"), this.#width)];
    this.#form.append(...fields, this.#fields.element, submitRow(t("Unroll")));
    this.#form.addEventListener("submit", (event) => this.#submit(event));
    clearTroubleOnChange(this.#form, shared.isOnline);
    find(element, ".stage").append(this.#state, this.#picture, this.#end);
    new IntersectionObserver(([{ isIntersecting }]) => {
      this.#isAtEnd = isIntersecting;
      if (isIntersecting) this.#more();
    }).observe(this.#end);
    shared.models.watch((models) => models && this.#offer(models));
  }

  #shared;
  #element;
  #form;
  #fields;
  #model = el("select");
  #width = el("select");
  #state = el("p", { class: "standing", role: "status" });
  #picture = el("div", { class: "panorama" });
  #end = el("div", { class: "panorama-end" });
  #isAtEnd = false;
  #isBusy = false;
  #asking = new LatestRequest();
  #shownPlace = "";
  /** @type {PanoramaOptions | null} */
  #wish = null;
  #canvas = blankCanvas(1, 1);
  #pixels = new ImageData(1, 1);
  #next = 0;

  /**
   * Show a panorama, or continue the one that is shown.
   *
   * @param {string} place - Settings as a query with model, width, seed and
   *     temperature; "" continues.
   */
  async open(place) {
    if (!place || place === this.#shownPlace) return this.#resume();
    await this.#shared.models.first();
    const query = new URLSearchParams(place);
    const [width, seed, temperature] = ["width", "seed", "temperature"].map((name) => Number(query.get(name)));
    if (!WIDTHS.includes(width) || !Number.isSafeInteger(seed) || !(temperature > 0)) {
      const text = t("This link does not say what is to be drawn: a part of it is missing or wrong.");
      return showTrouble(this.#form, new FieldTrouble("", text));
    }
    this.#fields.set({ n: 1, seed, temperature });
    this.#width.value = String(width);
    const model = query.get("model") ?? "";
    this.#model.value = model;
    if (this.#model.value !== model) {
      const text = t("This was drawn by {model}, which no worker here has.", { model });
      return showTrouble(this.#form, new FieldTrouble("", text));
    }
    this.#unroll();
  }

  /** Cancel what is being drawn: the view is hidden. */
  leave() {
    this.#asking.start();
    this.#isBusy = false;
  }

  /** Draw the rows that were being drawn when the view was left. */
  #resume() {
    if (this.#canvas.height > this.#next) this.#more(true);
  }

  /**
   * Offer the models that draw fields.
   *
   * @param {Model[]} models
   */
  #offer(models) {
    const able = models.filter((model) => model.field && model.can.includes("sample"));
    if (able.map(({ name }) => name).join() === [...this.#model.options].map(({ value }) => value).join()) return;
    this.#model.replaceChildren(...able.map((model) => new Option(titleOf(model), model.name)));
    // With one model there is nothing to choose.
    find(this.#form, "[data-field=model]").hidden = able.length === 1;
  }

  /**
   * Handle the form's submission.
   *
   * @param {Event} event
   */
  #submit(event) {
    event.preventDefault();
    this.#unroll();
  }

  /** Begin a new panorama at the top. */
  #unroll() {
    clearTrouble(this.#form);
    try {
      const { seed, temperature } = this.#fields.read();
      if (!this.#model.value) throw new FieldTrouble("model", t("There is no model to draw with."));
      this.#wish = { model: this.#model.value, width: Number(this.#width.value), seed, temperature };
    } catch (error) {
      return showTrouble(this.#form, error);
    }
    this.#shownPlace = String(
      new URLSearchParams(Object.entries(this.#wish).map(([name, value]) => [name, String(value)])),
    );
    this.#shared.onJob(this.#shownPlace);
    this.#fields.used();
    this.#element.dataset.used = "";
    const { model, width } = this.#wish;
    const most = this.#shared.info.value?.limits.field_pixels ?? MOST_PIXELS;
    this.#pixels = new ImageData(width, Math.floor(most / width));
    this.#canvas = blankCanvas(width, 1);
    this.#canvas.setAttribute("role", "img");
    this.#canvas.setAttribute("aria-label", t("A picture by {model} that goes on below", { model }));
    this.#picture.replaceChildren(this.#canvas);
    this.#next = 0;
    this.#isBusy = false;
    this.#more(true);
  }

  /**
   * Draw twice as many rows, up to the server's limit.
   *
   * @param {boolean} isFirst
   */
  async #more(isFirst = false) {
    if (!this.#wish || this.#isBusy || (!isFirst && !this.#next)) return;
    const { width, ...wish } = this.#wish;
    const { height: most } = this.#pixels;
    // Doubling keeps the number of jobs small, since each one draws from the top.
    const rows = Math.min(most, Math.max(FIRST_ROWS, 2 * this.#next));
    if (rows <= this.#next) return;
    const signal = this.#asking.start();
    this.#isBusy = true;
    this.#canvas.height = rows;
    contextOf(this.#canvas).putImageData(this.#pixels, 0, 0);
    try {
      const job = await this.#shared.api.submit("/sample", { ...wish, n: 1, size: `${width}x${rows}` });
      const followed = new FollowedJob(this.#shared.api, job.id, { isKept: false, needsLook: () => false });
      for await (const { name, data } of followed.events(signal)) {
        if (name === "row" && data.y >= this.#next) this.#put(data, job);
        if (name === "error") throw new FieldTrouble("form", data.error?.detail ?? data.detail);
      }
    } catch (error) {
      if (!signal.aborted) showTrouble(this.#form, error);
      return;
    } finally {
      if (!signal.aborted) this.#isBusy = false;
    }
    if (!signal.aborted && this.#isAtEnd) this.#more();
  }

  /**
   * Add a row.
   *
   * @param {RowEvent} row
   * @param {{channels: number, palette?: string[] | null}} look
   */
  #put({ y, pixels }, look) {
    writeBytes(this.#pixels, pixels, look, y);
    contextOf(this.#canvas).putImageData(this.#pixels, 0, 0, 0, y, this.#pixels.width, 1);
    this.#next = y + 1;
    const counts = { rows: formatNumber(this.#next), most: formatNumber(this.#pixels.height) };
    this.#state.textContent = t("{rows} of at most {most} rows", counts);
  }
}
