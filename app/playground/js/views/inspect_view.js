/**
 * The room "Look inside": what the network expected of a picture, pixel by pixel (figure
 * 6 of the paper), and why.
 */

import { scoreOf } from "../service/api.js";
import { isInOneOrder, modelOf } from "../service/choice.js";
import { beliefPlots } from "../parts/belief_plot.js";
import { announce, el, find } from "../parts/dom.js";
import { clearTrouble, clearTroubleOnChange, showTrouble, submitRow } from "../parts/fields.js";
import { FormCode } from "../parts/form_code.js";
import { historyEntry } from "../service/history.js";
import { CurrentQuestion } from "../service/current_question.js";
import { InfluencePanel } from "../parts/influence_panel.js";
import { givenOf, JobBoard } from "../parts/job_board.js";
import { LabelBars } from "../parts/label_bars.js";
import { t } from "../lang.js";
import { ModelPicker } from "../parts/model_picker.js";
import { destinationButtons } from "../parts/destinations.js";
import { PicturePicker } from "../parts/picture_picker.js";
import { explain, FieldTrouble, Unreachable } from "../service/problems.js";
import { dataUrlOf, pixelsOf } from "../pixels/raster.js";
import { completionOf, friendlySeed, scoreForm } from "../service/requests.js";
import { ScoredPicture } from "../parts/scored_picture.js";
import { LatestRequest } from "../signal.js";
import { thumbnailOf } from "../pixels/thumbnail.js";

/** @import {ColourBelief, JobInput, Job, Model, ScoreAnswer, ScoreMap, ScoreResult, Shared} from "../types" */

/** Seconds that the server may hold a request for the state of a score. */
const WAIT_S = 30;
/** Images that are drawn from a pixel on. */
const REDRAWN = 8;

/**
 * Scores a picture, shows the bits of each pixel, the distribution at a chosen one and
 * what it depended on, and redraws the picture from there.
 */
export class InspectView {
  /**
   * @param {HTMLElement} element
   * @param {Shared} shared
   */
  constructor(element, shared) {
    this.element = element;
    this.#shared = shared;
    this.#models = new ModelPicker("score", shared.models, (model) => shared.backend.can("scoreMap", model));
    this.#form = /** @type {HTMLFormElement} */ (find(element, "form"));
    const code = new FormCode(shared, this.#form, () => this.#request());
    this.#form.append(this.#models.element, this.#pictures.element, submitRow(t("Inspect")), code.element);
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      clearTrouble(this.#form);
      this.#inspect(true);
    });
    clearTroubleOnChange(this.#form, shared.isOnline);
    this.#pictures.others = this.#models;
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
    this.#labels = new LabelBars(shared, this.#scored);
    const parts = [this.#labels.element, this.#chosen, this.#beliefs, this.#trouble, this.#sight];
    const side = el("div", { class: "side" }, this.#scored.summary, ...parts);
    side.append(this.#redraw, this.#destinations);
    this.#panel = el("div", { class: "inspection", hidden: true }, this.#scored.element, side);
    this.#state = el("p", { class: "standing", role: "status" });
    find(element, ".stage").append(this.#state, this.#panel, this.#board.element);
    this.#board.element.hidden = true;
    this.#question = new CurrentQuestion(
      shared.isOnline,
      (text) => {
        this.#beliefs.removeAttribute("aria-busy");
        this.#influence?.wait("");
        this.#sayTrouble(text);
      },
      () => this.#ask(this.#scored.chosen[0], this.#scored.chosen[1]),
    );
    shared.isOnline.watch((isBack) => isBack && this.#isCutOff && this.#show(this.#jobId, true));
    shared.models.watch((models) => models && this.#begin());
  }

  #shared;
  #form;
  #board;
  #beliefs;
  #redraw;
  #sight = el("div", {});
  /** Which pixels mattered; null if no service can say so. @type {InfluencePanel | null} */
  #influence = null;
  #labels;
  #chosen;
  #trouble;
  #panel;
  #state;
  #models;
  #destinations = el("p", { class: "actions" });
  #pictures = new PicturePicker(t("Picture"), (model) => model);
  #scored = new ScoredPicture();
  /** Score that is shown, and its model. @type {({model: Model | null} & ScoreAnswer) | null} */
  #result = null;
  /** Id of the score that is shown or requested; "" for none. */
  #jobId = "";
  /** Whether an example is shown or requested. */
  #hasExample = false;
  #showing = new LatestRequest();
  #question;
  /** True if the server did not answer when a score was to be shown. */
  #isCutOff = false;

  /** @param {File} file */
  take(file) {
    this.#pictures.take(file);
    return true;
  }

  /**
   * @param {string} url
   * @param {string} model
   */
  give(url, model) {
    this.#models.choose(model);
    this.#pictures.give(url);
  }

  /**
   * Score an example if the view is empty. It is kept neither in the address nor in the
   * history.
   */
  #begin() {
    const { model } = this.#models;
    if (this.element.hidden || this.#jobId || this.#hasExample || !model) return;
    if (this.#shared.backend.isReady("scoreMap", model)) this.#inspect(false);
  }

  /** Cancel what nobody waits for any more: an example, and the question about a pixel. */
  leave() {
    this.#question.giveUp();
    if (this.#jobId || this.#result) return;
    this.#showing.start();
    this.#hasExample = false;
  }

  /** Return the call of the form. */
  async #request() {
    const { model } = this.#models;
    return model && { path: "/score", body: await scoreForm(model, await this.#pictures.chosen()) };
  }

  /**
   * Score the picture of the form.
   *
   * @param {boolean} isAsked - False for an example.
   */
  async #inspect(isAsked) {
    const { model } = this.#models;
    const signal = this.#wait();
    this.#hasExample = true;
    try {
      if (!model) throw new FieldTrouble("model", t("There is no model to ask."));
      const picture = await this.#pictures.chosen();
      const onWait = (/** @type {string} */ words) => (this.#state.textContent = words);
      const scored = await this.#shared.backend.scoreMap(model, { picture }, { signal, onWait });
      if (signal.aborted) return;
      this.#present(model, scored, picture);
      // The score that the address names is no longer shown.
      this.#jobId = "";
      if (!isAsked || !scored.job) return;
      this.#jobId = scored.job.id;
      this.#keep(scored.job, { image: dataUrlOf(picture) });
      this.#shared.onJob(scored.job.id);
    } catch (error) {
      if (signal.aborted) return;
      this.#hasExample = false;
      this.#state.textContent = "";
      this.#panel.hidden = !this.#result;
      if (isAsked) showTrouble(this.#form, error);
    }
  }

  /**
   * Clear the view for another score; return a signal that is aborted when a further
   * one is requested.
   *
   * @returns {AbortSignal}
   */
  #wait() {
    this.#question.giveUp();
    this.#isCutOff = false;
    this.element.dataset.used = "";
    this.#panel.hidden = true;
    this.#state.textContent = t("Asking the model…");
    return this.#showing.start();
  }

  /**
   * Show a score, and images that were drawn from it.
   *
   * @param {string} [jobId] - Id of the score; without one an example is scored.
   * @param {string} [redrawnId] - Id of the images' job.
   */
  open(jobId, redrawnId) {
    if (!jobId) return void this.#begin();
    this.#board.element.hidden = !redrawnId;
    if (redrawnId) this.#board.watch(redrawnId);
    if (jobId === this.#jobId) return;
    this.#jobId = jobId;
    const kept = this.#shared.history.get(jobId);
    if (kept) this.#refill(kept.model, kept.given);
    this.#show(jobId, !kept);
  }

  /**
   * Show a score when it has ended.
   *
   * @param {string} jobId
   * @param {boolean} isForeign - Whether the form does not know it.
   */
  async #show(jobId, isForeign) {
    const signal = this.#wait();
    try {
      const job = await this.#succeededJob(jobId, signal);
      const map = await this.#shared.api.scoreMap(jobId);
      const given = await givenOf(this.#shared, job);
      const picture = given.image ? await pixelsOf(given.image) : null;
      // When the page is loaded, the score may arrive before the models.
      const models = await this.#shared.models.first();
      if (signal.aborted) return;
      if (isForeign) this.#refill(job.model, given);
      const score = /** @type {ScoreResult} */ (scoreOf(job));
      this.#present(modelOf(models, job), { job, score, map }, picture);
      this.#keep(job, given);
    } catch (error) {
      if (signal.aborted) return;
      this.#isCutOff = error instanceof Unreachable;
      this.#state.textContent = explain(error).text;
    }
  }

  /**
   * @param {Job} job
   * @param {JobInput} given
   */
  #keep(job, given) {
    this.#shared.history.keep(historyEntry(job, given, thumbnailOf([this.#scored.heat])));
  }

  /**
   * @param {Model | null} model - Model of the score; null if no worker has it now, or
   *     one of its name with other weights.
   * @param {ScoreAnswer} scored
   * @param {ImageData | null} picture
   */
  #present(model, scored, picture) {
    this.#result = { model, ...scored };
    this.#panel.hidden = false;
    this.#redraw.hidden = picture === null || !model || !scored.job;
    this.#state.textContent = scored.job ? "" : t("Drawn in this browser.");
    const name = model?.name ?? scored.job?.model ?? "";
    const isClear = model && picture && isInOneOrder(model) && !model.palette?.length;
    this.#influence = isClear && this.#shared.api.hasService ? new InfluencePanel(model, picture) : null;
    this.#sight.replaceChildren(...(this.#influence ? [this.#influence.element] : []));
    this.#scored.show(name, scored.score, /** @type {ScoreMap} */ (scored.map), picture);
    this.#labels.show(model);
    this.#destinations.replaceChildren(...(picture && model ? this.#destinationsFor(model, picture) : []));
    announce(t("The picture is scored."));
  }

  /**
   * @param {Model} model
   * @param {ImageData} picture
   */
  #destinationsFor({ name: model }, picture) {
    const onTrouble = (/** @type {string} */ text) => this.#sayTrouble(text);
    const result = { model, whole: () => picture, onGo: () => {}, onTrouble };
    return destinationButtons(this.#shared, result, "inspect");
  }

  /**
   * Put the model and the picture of a score into the form.
   *
   * @param {string} model
   * @param {JobInput} given
   */
  #refill(model, given) {
    this.#models.choose(model);
    if (given.image) this.#pictures.give(given.image);
  }

  /**
   * Return a score when it has succeeded.
   *
   * @param {string} jobId
   * @param {AbortSignal} signal - Ends the wait.
   * @returns {Promise<Job>}
   * @throws {FieldTrouble} if it failed or was canceled.
   */
  async #succeededJob(jobId, signal) {
    for (;;) {
      const job = await this.#shared.api.job(jobId, WAIT_S, signal);
      if (job.status === "succeeded") return job;
      if (job.finished_at) throw new FieldTrouble("", job.error?.detail ?? t("The score was canceled."));
    }
  }

  /**
   * Request and show the distribution at a pixel.
   *
   * @param {number} x
   * @param {number} y
   */
  #ask(x, y) {
    const { picture } = this.#scored;
    const { model = null, job = null, map = null } = this.#result ?? {};
    this.#chosen.textContent = this.#scored.wordsOf([x, y]);
    this.#beliefs.replaceChildren();
    // An earlier question may have failed, or was given up.
    this.#beliefs.removeAttribute("aria-busy");
    this.#sayTrouble("");
    if (!model || !picture) return;
    const influence = this.#influence;
    influence?.choose([x, y]);
    // Of two values, the cost of the true one gives the whole distribution; nobody
    // needs to be asked.
    const isKnown = !job && map && model.values === 2;
    if (isKnown) this.#beliefs.append(...beliefPlots([beliefOf(map.bits[y][x][0], picture, x, y)], model));
    if (isKnown && !influence) return this.#question.giveUp();
    this.#beliefs.toggleAttribute("aria-busy", !isKnown);
    this.#question.ask(async (signal) => {
      const wish = { picture, x, y, ...(influence && { influence: true }) };
      const onWait = (/** @type {string} */ words) => influence?.wait(words);
      const belief = await this.#shared.backend.pixel(model, wish, { signal, onWait });
      if (!signal.aborted) this.#beliefs.replaceChildren(...beliefPlots(belief?.colours ?? [], model));
      if (!signal.aborted && belief) influence?.showBelief(belief);
      this.#beliefs.removeAttribute("aria-busy");
    });
  }

  /** Keep the pixels before the chosen one, and draw the others again. */
  async #resample() {
    const { picture, chosen } = this.#scored;
    const { job = null, model = null } = this.#result ?? {};
    if (!job || !model || !picture) return;
    const first = chosen[1] * picture.width + chosen[0];
    const hole = Uint8Array.from({ length: picture.width * picture.height }, (_, i) => (i >= first ? 1 : 0));
    const settings = { n: REDRAWN, seed: friendlySeed(), temperature: 1 };
    this.#sayTrouble("");
    try {
      const request = await completionOf(model, picture, hole, settings);
      const redrawn = await this.#shared.api.submit(request.path, request.body);
      this.#shared.history.keep(historyEntry(redrawn, request.given, ""));
      this.#board.element.hidden = false;
      this.#board.watch(redrawn.id, true);
      this.#shared.onJob(`${job.id}/${redrawn.id}`);
    } catch (error) {
      this.#sayTrouble(explain(error).text);
    }
  }

  /** @param {string} text - Sentence about an error; "" hides it. */
  #sayTrouble(text) {
    this.#trouble.textContent = text;
    this.#trouble.hidden = !text;
  }
}

/**
 * Return the distribution of a black and white pixel by what it cost.
 *
 * @param {number} bits
 * @param {ImageData} picture
 * @param {number} x
 * @param {number} y
 * @returns {ColourBelief}
 */
function beliefOf(bits, { data, width }, x, y) {
  const value = Number(data[4 * (y * width + x)] > 127);
  const p = 2 ** -bits;
  const probabilities = value ? [1 - p, p] : [p, 1 - p];
  const entropy = probabilities.reduce((sum, each) => sum - (each ? each * Math.log2(each) : 0), 0);
  return { probabilities, value, bits, entropy_bits: entropy };
}
