/** What it sees: one pixel of one picture, and how much each earlier one matters for it, in several networks side by side. */

import { pause } from "../service/api.js";
import { costOf, isInOneOrder } from "../service/choice.js";
import { announce, find } from "../parts/dom.js";
import { CurrentQuestion } from "../service/current_question.js";
import { t } from "../lang.js";
import { PicturePicker } from "../parts/picture_picker.js";
import { explain, FieldTrouble } from "../service/problems.js";
import { InfluencePanel } from "../parts/influence_panel.js";
import { NO_MODEL } from "../service/words.js";

/** @import {Model, PixelBelief, Shared} from "../types" */

/** Whoever goes over the picture with the arrow keys asks where they stop. */
const REST_MS = 150;

export class SightView {
  /** @param {HTMLElement} element @param {Shared} shared */
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
  /** The question that the panels are to answer, or "" once they did. */
  #open = "";
  #isReady = false;
  #question;

  /** It is seen now: what is not answered yet is asked. */
  open() {
    if (!this.#open || this.#question.isAsking || this.#element.hidden) return;
    if (this.#isReady) this.#ask();
    else this.#wait(t("The model is being made ready…"));
  }

  /** It is not seen any more: nobody waits for an answer. */
  leave = () => this.#question.giveUp();

  /** @param {File} file */
  take(file) {
    this.#pictures.take(file);
    return true;
  }

  /** A panel for each kind of network. @param {Model[]} models */
  #suit(models) {
    const side = comparableModels(models);
    this.#say(side.length ? null : NO_MODEL);
    if (!side.length) return this.#row.replaceChildren();
    this.#isReady = side.every(({ compiling }) => !compiling);
    const key = side.map(({ name, digest, identity }) => name + (identity ?? digest)).join(" ");
    if (key !== this.#offered) this.#lay(key, side);
    this.open();
  }

  /** @param {string} key @param {Model[]} side */
  #lay(key, side) {
    this.#offered = key;
    const [{ width, height }] = side;
    this.#chosen = [Math.floor(width / 2), Math.floor(height / 2)];
    this.#panels = side.map((model) => new InfluencePanel(model));
    for (const panel of this.#panels) panel.onChoose = (pixel) => this.#choose(pixel);
    this.#row.replaceChildren(...this.#panels.map((panel) => panel.element));
    this.#pictures.suit(side[0]);
  }

  /** @param {ImageData} picture */
  #show(picture) {
    for (const panel of this.#panels) panel.show(picture);
    this.#choose(this.#chosen);
  }

  /** @param {number[]} pixel */
  #choose(pixel) {
    this.leave();
    this.#chosen = pixel;
    for (const panel of this.#panels) panel.choose(pixel);
    this.#open = String(pixel);
    this.open();
  }

  /** All networks the same; only the answers to the last question are shown. */
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

  /** @param {string} text in each panel, in the place of an answer */
  #wait(text) {
    for (const panel of this.#panels) panel.wait(text);
  }

  /** @param {unknown} error */
  #say(error) {
    const line = find(this.#element, ".sight-trouble");
    line.hidden = error === null;
    line.textContent = error === null || typeof error === "string" ? error : explain(error).text;
  }
}

/**
 * The best of each kind of network, of those that draw the same kind of picture: of the kind that most networks draw. The
 * better one sees, the further to the right it stands.
 *
 * @param {Model[]} models
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
