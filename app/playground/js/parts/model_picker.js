/** Model cards, of which one is chosen. */

import { similarModels, costOf, bestForHole } from "../service/choice.js";
import { el, uniqueId } from "./dom.js";
import { group } from "./fields.js";
import { kindOf, rankOf } from "../service/kinds.js";
import { t } from "../lang.js";
import { assetUrl } from "../files.js";
import { lasting } from "../storage.js";
import { modelFacts, modelOrigin, modelScore, NO_MODEL } from "../service/words.js";

/** @import {Signal} from "../signal.js" */
/** @import {Kind, Model} from "../types" */

const CHOSEN = "pixelrnn.model";

export class ModelPicker {
  /**
   * @param {Kind} kind what the models must be able to do
   * @param {Signal<Model[] | null>} models all that workers hold, once that is known
   * @param {(model: Model) => boolean} [isFit] whether somebody is there to ask about it
   */
  constructor(kind, models, isFit = () => true) {
    this.#models = models;
    this.#kind = kind;
    this.#isFit = isFit;
    this.#name = uniqueId("model");
    this.#list = el("div", { class: "cards" }, el("p", { class: "hint" }, t("Looking for models…")));
    this.element = group("model", t("Model"), this.#list);
    this.#list.addEventListener("change", () => this.#onChosen());
    new ResizeObserver(() => this.#reveal()).observe(this.#list);
    models.watch((held) => held && this.#offer(held));
  }

  /** Those that do this instead. @param {Kind} kind @param {(model: Model) => boolean} isFit */
  offerFor(kind, isFit) {
    this.#kind = kind;
    this.#isFit = isFit;
    if (this.#models.value) this.#offer(this.#models.value);
  }

  /** Called with the model that is chosen now, and whenever another one is. @param {(model: Model) => void} listener */
  set onChange(listener) {
    this.#listener = listener;
    if (this.model) listener(this.model);
  }

  #models;
  #kind;
  #isFit;
  #name;
  #list;
  /** All that can be chosen. @type {Model[]} */
  offered = [];
  #wantedName = lasting.get(CHOSEN) ?? "";
  #isOffered = false;
  #listener = (/** @type {Model} */ model) => {};
  #type = "radio";

  /** @param {Model[]} models */
  #offer(models) {
    const able = models.filter((model) => model.can.includes(this.#kind) && this.#isFit(model)).sort(inOrder(models));
    if (this.#isOffered && JSON.stringify(able) === JSON.stringify(this.offered)) return;
    this.#isOffered = true;
    const wanted = [this.model?.name, this.#wantedName, able[0]?.name];
    this.offered = able;
    const choice = (/** @type {string} */ value) => el("input", { type: this.#type, name: this.#name, value });
    this.#list.replaceChildren(...able.map((model) => modelCard(model, choice(model.name))));
    if (!able.length) this.#list.append(el("p", { class: "hint" }, NO_MODEL));
    this.#check(wanted.find((name) => able.some((model) => model.name === name)) ?? "");
  }

  /** Whether several can be chosen. */
  get areSeveral() {
    return this.#type === "checkbox";
  }

  /** Those of the kind that was chosen, at first. */
  set areSeveral(areSeveral) {
    const { model } = this;
    this.#type = areSeveral ? "checkbox" : "radio";
    const first =
      areSeveral && model ? similarModels(this.offered, model).filter(({ members }) => members.length === 1) : [];
    if (model) this.choose(...(first.length ? first : [model]).map(({ name }) => name));
  }

  /** All that are chosen. */
  get chosen() {
    const checked = [...this.#list.querySelectorAll("input:checked")].map((box) => box.getAttribute("value"));
    return this.offered.filter(({ name }) => checked.includes(name));
  }

  get model() {
    return this.chosen[0] ?? null;
  }

  /** Now, or when they are offered. @param {...string} names @returns {boolean} false when none is there */
  choose(...names) {
    this.#wantedName = names[0] ?? "";
    return !this.#isOffered || this.#check(...names);
  }

  /** This one, because of its kind: nobody asked for it by name. @param {string} name */
  turnTo(name) {
    this.#wantedName = "";
    this.#check(name);
  }

  /** The model that was asked for; where none was, the fittest for a hole, which is then the chosen one. @param {Uint8Array} hole @param {Model} model */
  fitFor(hole, model) {
    const fit = model.name === this.#wantedName ? model : bestForHole(similarModels(this.offered, model), hole);
    if (fit && fit !== model) this.#check(fit.name);
    return fit ?? model;
  }

  /** @param {...string} names */
  #check(...names) {
    const boxes = [...this.#list.querySelectorAll("input")];
    if (!boxes.some(({ value }) => names.includes(value))) return false;
    for (const box of boxes) Object.assign(box, { type: this.#type, checked: names.includes(box.value) });
    this.#reveal();
    if (this.model) this.#listener(this.model);
    return true;
  }

  /** The chosen card, in a list that may be longer than its place. */
  #reveal() {
    /** @type {HTMLElement | null} */
    const card = this.#list.querySelector(".card:has(:checked)");
    if (!card) return;
    this.#list.scrollTop = card.offsetTop - (this.#list.clientHeight - card.offsetHeight) / 2;
  }

  #onChosen() {
    if (!this.model) return;
    if (!this.areSeveral) this.#wantedName = this.model.name;
    lasting.set(CHOSEN, this.#wantedName);
    this.#listener(this.model);
  }
}

/** What one wants to know of it before it is chosen. @param {Model} model @param {HTMLInputElement} choice */
function modelCard(model, choice) {
  const picture = el("span", { class: "card-picture" }, `${model.width} × ${model.height}`);
  showPicture(picture, model.name);
  return el(
    "label",
    { class: "card", title: `${model.name} · ${modelScore(model)} · ${modelOrigin(model)}` },
    choice,
    picture,
    el(
      "span",
      { class: "card-text" },
      el("strong", {}, kindOf(model)),
      el("span", {}, modelFacts(model)),
      model.compiling ? el("span", {}, modelScore(model)) : null,
    ),
  );
}

/**
 * The best of each kind, as they stand in the list of kinds; then the others, the best first, and those that were never
 * measured last.
 *
 * @param {Model[]} models
 * @returns {(one: Model, other: Model) => number}
 */
function inOrder(models) {
  /** @param {Model} model */
  const isBeaten = (model) => models.some((one) => kindOf(one) === kindOf(model) && costOf(one) < costOf(model));
  return (one, other) =>
    Number(isBeaten(one)) - Number(isBeaten(other)) || rankOf(one) - rankOf(other) || costOf(one) - costOf(other);
}

/** Some of its images where the page brings them along; of a model of the user's own its size stands there. @param {HTMLElement} place @param {string} name */
export function showPicture(place, name) {
  if (!document.body.dataset.pictures?.split(" ").includes(name)) return;
  const src = assetUrl(`model-${encodeURIComponent(name)}.webp`);
  place.replaceChildren(el("img", { loading: "lazy", alt: "", src })); // most views are never opened
}
