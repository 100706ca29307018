/**
 * The view "What it sees": how much each earlier pixel matters for one pixel, in
 * several networks side by side.
 */

import { pause } from "../service/api.js";
import { costOf, isInOneOrder } from "../service/choice.js";
import { announce, find } from "../parts/dom.js";
import { CurrentQuestion } from "../service/current_question.js";
import { t } from "../lang.js";
import { PicturePicker } from "../parts/picture_picker.js";
import { explain, FieldTrouble } from "../service/problems.js";
import { InfluencePanel } from "../parts/influence_panel.js";
import { NO_MODEL } from "../service/words.js";

/** @import {Model, Shared} from "../types" */

/** Milliseconds without an arrow key before the models are asked. */
const REST_MS = 150;

/**
 * The view at #sight. rooms.js makes one when the view is first opened.
 *
 * It shows a panel for each kind of network (`comparableModels`). `open()` requests
 * what is missing, `leave()` cancels it, `take(file)` uses a picture file. Errors are
 * shown as sentences.
 */
export class SightView {
  /**
   * @param {HTMLElement} element - Section of the view.
   * @param {Shared} shared - State and services of the page.
   */
  constructor(element, shared) {
    this.#element = element;
    this.#shared = shared;
    this.#row = find(element, ".sights");
    find(element, ".choice").append(this.#pictures.element);
    this.#pictures.onChange = (picture) => this.#show(picture);
    this.#pictures.onTrouble = (error) => this.#say(error);
    const cease = (/** @type {string} */ text) => {
      this.#wait("");
      this.#say(text);
    };
    this.#question = new CurrentQuestion(shared.isOnline, cease, () => this.open());
    shared.models.watch((models) => models && this.#suit(models));
  }

  #element;
  #shared;
  #row;
  #pictures = new PicturePicker(t("Picture"), (model) => model, t("Digit {name}", { name: "3" }));
  /** @type {InfluencePanel[]} */
  #panels = [];
  #offered = "";
  #chosen = [0, 0];
  /** Pixel for which the answers are missing; "" if none is. */
  #open = "";
  #isReady = false;
  #question;

  /** Show the view and request the answers that are missing. */
  open() {
    if (!this.#open || this.#question.isAsking || this.#element.hidden) return;
    if (this.#isReady) this.#ask();
    else this.#wait(t("The model is being made ready…"));
  }

  /** Cancel what is requested: the view is hidden. */
  leave = () => this.#question.giveUp();

  /**
   * Use a picture file; return true.
   *
   * @param {File} file
   */
  take(file) {
    this.#pictures.take(file);
    return true;
  }

  /**
   * Show a panel for each kind of network that is loaded now.
   *
   * @param {Model[]} models
   */
  #suit(models) {
    const side = comparableModels(models);
    this.#say(side.length ? null : NO_MODEL);
    if (!side.length) return this.#row.replaceChildren();
    this.#isReady = side.every(({ compiling }) => !compiling);
    const key = side.map(({ name, digest, identity }) => name + (identity ?? digest)).join(" ");
    if (key !== this.#offered) this.#lay(key, side);
    // The same models were away for a moment. What was asked is still answered.
    else if (!this.#row.children.length) this.#row.replaceChildren(...this.#panels.map((panel) => panel.element));
    this.open();
  }

  /**
   * Make the panels of these models.
   *
   * @param {string} key
   * @param {Model[]} side
   */
  #lay(key, side) {
    this.#offered = key;
    const [{ width, height }] = side;
    this.#chosen = [Math.floor(width / 2), Math.floor(height / 2)];
    this.#panels = side.map((model) => new InfluencePanel(model));
    for (const panel of this.#panels) panel.onChoose = (pixel) => this.#choose(pixel);
    this.#row.replaceChildren(...this.#panels.map((panel) => panel.element));
    this.#pictures.suit(side[0]);
  }

  /**
   * Show another picture in all panels.
   *
   * @param {ImageData} picture
   */
  #show(picture) {
    for (const panel of this.#panels) panel.show(picture);
    this.#choose(this.#chosen);
  }

  /**
   * Choose a pixel in all panels.
   *
   * @param {number[]} pixel
   */
  #choose(pixel) {
    this.leave();
    this.#chosen = pixel;
    for (const panel of this.#panels) panel.choose(pixel);
    this.#open = String(pixel);
    this.open();
  }

  /** Ask all networks about the chosen pixel. Only the last answers are shown. */
  #ask() {
    const { picture } = this.#pictures;
    const [x, y] = this.#chosen;
    this.#question.ask(async (signal) => {
      await pause(REST_MS);
      if (signal.aborted) return;
      if (!picture) throw new FieldTrouble("", t("Choose a picture first."));
      await Promise.all(
        this.#panels.map(async (panel) => {
          const how = { signal, onWait: (/** @type {string} */ words) => panel.wait(words) };
          const belief = await this.#shared.backend.pixel(panel.model, { picture, x, y, influence: true }, how);
          if (!signal.aborted && belief) panel.showBelief(belief);
        }),
      );
      if (signal.aborted) return;
      this.#open = "";
      this.#say(null);
      announce(this.#panels.map(({ words }) => words).join(". "));
    });
  }

  /**
   * Show a sentence in each panel in place of an answer.
   *
   * @param {string} text - The sentence.
   */
  #wait(text) {
    for (const panel of this.#panels) panel.wait(text);
  }

  /**
   * Show a sentence about an error; null hides it.
   *
   * @param {unknown} error
   */
  #say(error) {
    const line = find(this.#element, ".sight-trouble");
    line.hidden = error === null;
    line.textContent = error === null || typeof error === "string" ? error : explain(error).text;
  }
}

/**
 * Return the models that are shown side by side: the best of each kind of network, of
 * models with pictures of the same size and values.
 *
 * If there are several such sizes, the one with most kinds of network is taken. Models
 * with a palette, in another order than reading order, or that cannot score are left
 * out.
 *
 * @param {Model[]} models - Models that workers have loaded.
 * @returns {Model[]} A new list, the better the further to the right; empty if no model
 *     fits.
 */
export function comparableModels(models) {
  /** @type {Map<string, Map<string, Model>>} */
  const groups = new Map();
  for (const model of models) {
    if (!isInOneOrder(model) || !model.can.includes("score") || model.palette?.length) continue;
    const { width, height, channels, values, network } = model;
    const key = [width, height, channels, values].join(" ");
    const group = groups.get(key) ?? new Map();
    if (!group.has(network) || costOf(model) < costOf(group.get(network))) group.set(network, model);
    groups.set(key, group);
  }
  const sides = [...groups.values()].map((group) => [...group.values()].sort((a, b) => costOf(b) - costOf(a)));
  return sides.sort((a, b) => b.length - a.length || costOf(a[0]) - costOf(b[0]))[0] ?? [];
}
