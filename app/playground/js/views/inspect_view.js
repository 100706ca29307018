/** Inspect: what the network expects of a picture, pixel by pixel (figure 6 of the paper), and what else could be. */

import { scoreOf } from "../service/api.js";
import { beliefPlot } from "../parts/belief_plot.js";
import { announce, el, find } from "../parts/dom.js";
import { clearTrouble, forgetTrouble, showTrouble, submitRow } from "../parts/fields.js";
import { remembered } from "../service/history.js";
import { givenOf, JobBoard } from "../parts/job_board.js";
import { LabelBars } from "../parts/label_bars.js";
import { t } from "../lang.js";
import { ModelPicker } from "../parts/model_picker.js";
import { onward } from "../parts/onward.js";
import { PicturePicker } from "../parts/picture_picker.js";
import { explain, FieldTrouble, Unreachable } from "../service/problems.js";
import { dataUrlOf, pixelsOf } from "../pixels/raster.js";
import { completionOf, friendlySeed, scoreForm } from "../service/requests.js";
import { ScoredPicture } from "../parts/scored_picture.js";
import { Latest } from "../signal.js";
import { thumbnailOf } from "../pixels/thumbnail.js";

/** @import {ColourBelief, Given, Job, Shared} from "../types" */

const WAIT_S = 30;
const EXAMPLE = "example";
const REDRAWN = 8;
const COLOURS = [
  ["red", t("Red")],
  ["green", t("Green")],
  ["blue", t("Blue")],
];
const GREY = ["brightness", t("Brightness")];

export class InspectView {
  /** @param {HTMLElement} element @param {Shared} shared */
  constructor(element, shared) {
    this.element = element;
    this.#shared = shared;
    this.#models = new ModelPicker("score", t("No running worker has a model that can score pictures."), shared.models);
    this.#form = /** @type {HTMLFormElement} */ (find(element, "form"));
    this.#form.append(this.#models.element, this.#pictures.element, submitRow(t("Inspect")));
    this.#form.addEventListener("submit", (event) => this.#submit(event));
    forgetTrouble(this.#form, shared.isOnline);
    this.#pictures.offerOthers(this.#models);
    this.#models.onChange = (model) => this.#pictures.suit(model);
    this.#pictures.onTrouble = (error) =>
      error ? showTrouble(this.#form, error) : clearTrouble(this.#pictures.element);
    this.#board = new JobBoard(shared);
    const label = t("Expected values");
    this.#beliefs = el("div", { class: "beliefs", role: "region", "aria-label": label, "aria-live": "polite" });
    this.#redraw = el("button", { type: "button", on: { click: () => this.#resample() } }, t("Redraw from here down"));
    this.#scored.onPick = (x, y) => this.#ask(x, y);
    this.#chosen = el("p", { class: "readout" });
    this.#trouble = el("p", { class: "trouble", hidden: true });
    this.#labels = new LabelBars(shared.api, this.#scored);
    const asked = [this.#labels.element, this.#chosen, this.#beliefs, this.#trouble];
    const side = el("div", { class: "side" }, this.#scored.summary, ...asked);
    side.append(this.#redraw, this.#ways);
    this.#result = el("div", { class: "inspection", hidden: true }, this.#scored.element, side);
    this.#state = el("p", { class: "standing", role: "status" });
    find(element, ".stage").append(this.#state, this.#result, this.#board.element);
    this.#board.element.hidden = true;
    shared.isOnline.watch((isBack) => isBack && this.#isCutOff && this.#show(this.#wanted));
    shared.models.watch((models) => models && this.#begin());
  }

  #shared;
  #form;
  #board;
  #beliefs;
  #redraw;
  #labels;
  #chosen;
  #trouble;
  #result;
  #state;
  #models;
  #ways = el("p", { class: "actions" });
  #pictures = new PicturePicker(t("Picture"), (model) => model);
  #scored = new ScoredPicture();
  /** @type {Job | null} */
  #job = null;
  /** The score that is wanted; the form says how it was asked for. */
  #wanted = "";
  /** The score that was asked for unasked; EXAMPLE while it has no id yet. */
  #example = "";
  #showing = new Latest();
  #asking = new Latest();
  /** The server did not answer when the wanted score was to be shown. */
  #isCutOff = false;

  /** @param {File} file */
  take(file) {
    this.#pictures.take(file);
    return true;
  }

  /** @param {string} url @param {string} model */
  give(url, model) {
    this.#models.choose(model);
    this.#pictures.give(url);
  }

  /** @param {Event} event */
  async #submit(event) {
    event.preventDefault();
    clearTrouble(this.#form);
    this.#result.hidden = true;
    try {
      const { model } = this.#models;
      if (!model) throw new FieldTrouble("model", t("There is no model to ask."));
      const picture = await this.#pictures.chosen();
      const job = await this.#shared.api.submit("/score", await scoreForm(model.name, picture));
      this.#shared.history.keep(remembered(job, { image: dataUrlOf(picture) }, ""));
      this.#want(job.id);
      this.#shared.onJob(job.id);
    } catch (error) {
      this.#result.hidden = !this.#job;
      showTrouble(this.#form, error);
    }
  }

  /** Something to look at, where nobody has asked for anything: it leaves no trace in address and history. */
  async #begin() {
    const { model } = this.#models;
    if (this.element.hidden || this.#wanted || this.#example || !model || model.compiling) return;
    this.#example = EXAMPLE;
    try {
      const picture = await this.#pictures.chosen();
      const job = await this.#shared.api.submit("/score", await scoreForm(model.name, picture));
      if (this.#wanted) return;
      this.#example = job.id;
      this.#want(job.id);
    } catch {
      this.#example = ""; // the form is there, and says what is wrong when it is used
    }
  }

  /** Show a score, when it is there, and what was drawn from it. @param {string} [jobId] @param {string} [redrawnId] */
  open(jobId, redrawnId) {
    if (!jobId) return void this.#begin();
    this.#board.element.hidden = !redrawnId;
    if (redrawnId) this.#board.watch(redrawnId);
    if (jobId === this.#wanted) return;
    this.#want(jobId);
    this.#refill(jobId);
  }

  /** From now on this score is the one, whatever still comes of another. @param {string} jobId */
  #want(jobId) {
    this.element.dataset.used = "";
    this.#wanted = jobId;
    this.#show(jobId);
  }

  /** @param {string} jobId */
  async #show(jobId) {
    const signal = this.#showing.ask();
    this.#asking.ask();
    this.#isCutOff = false;
    this.#result.hidden = true;
    this.#state.textContent = t("Asking the model…");
    try {
      const job = await this.#ended(jobId);
      const map = await this.#shared.api.scoreMap(jobId);
      const given = await givenOf(this.#shared, job);
      const picture = given.image ? await pixelsOf(given.image) : null;
      if (signal.aborted) return;
      this.#job = job;
      this.#result.hidden = false;
      this.#redraw.hidden = picture === null;
      this.#state.textContent = "";
      this.#scored.show(job, map, picture);
      this.#labels.show(this.#shared.models.value?.find(({ name }) => name === job.model) ?? null);
      this.#ways.replaceChildren(...(picture ? this.#waysOf(job, picture) : []));
      const isAsked = jobId !== this.#example;
      if (isAsked) this.#shared.history.keep(remembered(job, given, thumbnailOf([this.#scored.heat])));
      announce(t("The picture is scored."));
    } catch (error) {
      if (signal.aborted) return;
      this.#isCutOff = error instanceof Unreachable;
      this.#state.textContent = explain(error).text;
    }
  }

  /** Where else the picture can go. @param {Job} job @param {ImageData} picture */
  #waysOf({ model, width, height }, picture) {
    const onTrouble = (/** @type {string} */ text) => this.#sayTrouble(text);
    const whole = () => picture;
    return onward(
      this.#shared,
      { model, size: { width, height }, small: null, whole, onGo: () => {}, onTrouble },
      "inspect",
    );
  }

  /** The form as it was when this was asked, here or elsewhere. @param {string} jobId */
  async #refill(jobId) {
    const kept = this.#shared.history.get(jobId);
    try {
      const { model, given } = kept ?? (await this.#seen(jobId));
      if (this.#wanted !== jobId) return;
      this.#models.choose(model);
      if (given.image) this.#pictures.give(given.image);
    } catch {
      // what is wrong with the job is said where its picture would be
    }
  }

  /** @param {string} jobId @returns {Promise<{model: string, given: Given}>} */
  async #seen(jobId) {
    const job = await this.#shared.api.job(jobId);
    return { model: job.model, given: await givenOf(this.#shared, job) };
  }

  /** @param {string} jobId @returns {Promise<Job>} a score that has succeeded */
  async #ended(jobId) {
    for (;;) {
      const job = await this.#shared.api.job(jobId, WAIT_S);
      if (job.status === "succeeded") return job;
      if (job.finished_at) throw new FieldTrouble("", job.error?.detail ?? t("The score was canceled."));
    }
  }

  /** What was expected at a pixel? Only the answer to the last question is shown. @param {number} x @param {number} y */
  async #ask(x, y) {
    const { picture } = this.#scored;
    const signal = this.#asking.ask();
    this.#chosen.textContent = this.#scored.wordsOf([x, y]);
    this.#beliefs.replaceChildren();
    this.#sayTrouble("");
    if (!this.#job || !picture) return;
    this.#beliefs.setAttribute("aria-busy", "true");
    try {
      const body = await scoreForm(this.#job.model, picture);
      body.set("x", String(x));
      body.set("y", String(y));
      const answer = await this.#shared.api.ask("/score", body, signal);
      if (!signal.aborted) this.#beliefs.replaceChildren(...plots(scoreOf(answer)?.pixel?.colours ?? []));
    } catch (error) {
      if (!signal.aborted) this.#sayTrouble(explain(error).text);
    } finally {
      if (!signal.aborted) this.#beliefs.removeAttribute("aria-busy");
    }
  }

  /** Keep what stands before the chosen pixel, and draw the rest again. */
  async #resample() {
    const { picture, chosen } = this.#scored;
    if (!this.#job || !picture) return;
    const first = chosen[1] * picture.width + chosen[0];
    const hole = Uint8Array.from({ length: picture.width * picture.height }, (_, i) => (i >= first ? 1 : 0));
    const settings = { n: REDRAWN, seed: friendlySeed(), temperature: 1 };
    this.#sayTrouble("");
    try {
      const request = await completionOf(this.#job.model, picture, hole, settings);
      const job = await this.#shared.api.submit(request.path, request.body);
      this.#shared.history.keep(remembered(job, request.given, ""));
      this.#board.element.hidden = false;
      this.#board.watch(job.id, true);
      this.#shared.onJob(`${this.#job.id}/${job.id}`);
    } catch (error) {
      this.#sayTrouble(explain(error).text);
    }
  }

  /** @param {string} text */
  #sayTrouble(text) {
    this.#trouble.textContent = text;
    this.#trouble.hidden = !text;
  }
}

/** @param {ColourBelief[]} beliefs */
function plots(beliefs) {
  const names = beliefs.length === 1 ? [GREY] : COLOURS;
  return beliefs.map((belief, i) => beliefPlot(names[i][1], names[i][0], belief));
}
