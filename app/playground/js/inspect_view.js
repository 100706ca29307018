/** Inspect: what the network expects of a picture, pixel by pixel (figure 6 of the paper), and what else could be. */

import { scoreOf } from "./api.js";
import { announce, el, find } from "./dom.js";
import { clearTrouble, showTrouble, submitRow } from "./fields.js";
import { remembered } from "./history.js";
import { completionOf } from "./complete_view.js";
import { JobBoard } from "./job_board.js";
import { ModelPicker } from "./model_picker.js";
import { PicturePicker } from "./picture_picker.js";
import { beliefPlot } from "./belief_plot.js";
import { FieldTrouble, explain } from "./problems.js";
import { dataUrlOf, pixelsOf, pngOf } from "./raster.js";
import { ScoredPicture } from "./scored_picture.js";
import { thumbnailOf } from "./thumbnail.js";

/** @import {Shared} from "./drawing_view.js" */
/** @import {Job, Model} from "./types" */

const WAIT_S = 30;
const REDRAWN = 8;

export class InspectView {
  /** @param {HTMLElement} element @param {Shared} shared */
  constructor(element, shared) {
    this.element = element;
    this.#shared = shared;
    this.#form = /** @type {HTMLFormElement} */ (find(element, "form"));
    this.#form.append(this.#models.element, this.#pictures.element, submitRow("Inspect"));
    this.#form.addEventListener("submit", (event) => this.#submit(event));
    this.#models.onChange = (model) => this.#pictures.suit(model);
    this.#pictures.onTrouble = (error) => showTrouble(this.#form, error);
    this.#board = new JobBoard(shared.api, shared.history);
    this.#beliefs = el("div", {
      class: "beliefs",
      role: "region",
      "aria-label": "Expected values",
      "aria-live": "polite",
    });
    this.#redraw = el("button", { type: "button" }, "Redraw from here down");
    this.#redraw.addEventListener("click", () => this.#resample());
    this.#scored.onPick = (x, y) => this.#ask(x, y);
    this.#side = el("div", { class: "side" }, this.#scored.summary, this.#scored.readout, this.#redraw);
    this.#side.append(el("p", { class: "trouble", hidden: true }), this.#beliefs);
    this.#result = el("div", { class: "inspection", hidden: true }, this.#scored.element, this.#side);
    this.#state = el("p", { class: "standing", role: "status" });
    find(element, ".stage").append(this.#state, this.#result, this.#board.element);
    this.#board.element.hidden = true;
  }

  #shared;
  #form;
  #board;
  #beliefs;
  #redraw;
  #side;
  #result;
  #state;
  #models = new ModelPicker("score", "No running worker has a model that can score pictures.");
  #pictures = new PicturePicker("Picture", (model) => model);
  #scored = new ScoredPicture();
  /** @type {Job | null} */
  #job = null;
  /** The score that was asked for last, and the one that is shown. */
  #asked = "";
  #shown = "";

  /** @param {Model[]} models */
  offer(models) {
    this.#models.offer(models);
  }

  limit() {}

  /** @param {Event} event */
  async #submit(event) {
    event.preventDefault();
    clearTrouble(this.#form);
    try {
      const { model } = this.#models;
      if (!model) throw new FieldTrouble("model", "There is no model to ask.");
      const picture = await this.#pictures.chosen();
      this.#state.textContent = "Asking the model…";
      const job = await this.#shared.api.submit("/score", await form(model.name, picture));
      this.#shared.history.keep(remembered(job, { image: dataUrlOf(picture) }, ""));
      this.#asked = job.id;
      this.#shared.onJob(job.id);
    } catch (error) {
      this.#state.textContent = "";
      showTrouble(this.#form, error);
    }
  }

  /** Show a score, when it is there, and what was drawn from it. @param {string} jobId @param {string} [redrawnId] */
  open(jobId, redrawnId) {
    this.element.dataset.used = "";
    this.#board.element.hidden = !redrawnId;
    if (redrawnId) this.#board.watch(redrawnId);
    if (jobId !== this.#shown) this.#show(jobId);
    this.#shown = jobId;
  }

  /** @param {string} jobId */
  async #show(jobId) {
    this.#beliefs.replaceChildren();
    this.#state.textContent = "Asking the model…";
    try {
      if (jobId !== this.#asked) await this.#refill(jobId);
      const job = await this.#ended(jobId);
      const given = this.#shared.history.get(jobId)?.given ?? {};
      const picture = given.image ? await pixelsOf(given.image) : null;
      this.#job = job;
      this.#scored.show(job, await this.#shared.api.scoreMap(jobId), picture);
      this.#result.hidden = false;
      this.#redraw.hidden = picture === null;
      this.#state.textContent = "";
      this.#shared.history.keep(remembered(job, given, thumbnailOf([this.#scored.heat])));
      announce("The picture is scored.");
    } catch (error) {
      this.#shown = "";
      this.#result.hidden = true;
      this.#state.textContent = explain(error).text;
    }
  }

  /** The form as it was when this was asked. @param {string} jobId */
  async #refill(jobId) {
    const kept = this.#shared.history.get(jobId);
    if (!kept) return;
    this.#models.choose(kept.model);
    if (kept.given.image) await this.#pictures.give(kept.given.image);
  }

  /** @param {string} jobId @returns {Promise<Job>} a score that has succeeded */
  async #ended(jobId) {
    for (;;) {
      const job = await this.#shared.api.job(jobId, WAIT_S);
      if (job.status === "succeeded") return job;
      if (job.finished_at) throw new FieldTrouble("", job.error?.detail ?? "The score was canceled.");
    }
  }

  /** What was expected at a pixel? @param {number} x @param {number} y */
  async #ask(x, y) {
    const { picture } = this.#scored;
    if (!this.#job || !picture) return;
    const body = await form(this.#job.model, picture);
    body.set("x", String(x));
    body.set("y", String(y));
    this.#beliefs.setAttribute("aria-busy", "true");
    this.#trouble("");
    try {
      const answer = await this.#shared.api.submit("/score", body, WAIT_S);
      const colours = scoreOf(answer)?.pixel?.colours ?? [];
      const names = colours.length === 1 ? ["Brightness"] : ["Red", "Green", "Blue"];
      this.#beliefs.replaceChildren(...colours.map((belief, i) => beliefPlot(names[i], belief)));
    } catch (error) {
      this.#trouble(explain(error).text);
    } finally {
      this.#beliefs.removeAttribute("aria-busy");
    }
  }

  /** Keep what stands before the chosen pixel, and draw the rest again. */
  async #resample() {
    const { picture, chosen } = this.#scored;
    if (!this.#job || !picture) return;
    const first = chosen[1] * picture.width + chosen[0];
    const hole = Uint8Array.from({ length: picture.width * picture.height }, (_, i) => (i >= first ? 1 : 0));
    const seed = crypto.getRandomValues(new Uint32Array(1))[0] % 1_000_000;
    this.#trouble("");
    try {
      const request = await completionOf(this.#job.model, picture, hole, { n: REDRAWN, seed, temperature: 1 });
      const job = await this.#shared.api.submit(request.path, request.body);
      this.#shared.history.keep(remembered(job, request.given, ""));
      this.#shared.onJob(`${this.#job.id}/${job.id}`);
      this.#board.element.hidden = false;
      this.#board.element.scrollIntoView({ block: "start" });
    } catch (error) {
      this.#trouble(explain(error).text);
    }
  }

  /** @param {string} text */
  #trouble(text) {
    const line = find(this.#side, ".trouble");
    line.textContent = text;
    line.hidden = !text;
  }
}

/** @param {string} model @param {ImageData} picture */
async function form(model, picture) {
  const body = new FormData();
  body.set("model", model);
  body.set("image", await pngOf(picture), "image.png");
  return body;
}
