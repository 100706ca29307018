/** Choose a model. */

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

/** Key of the chosen model in the browser's storage. */
const CHOSEN = "pixelrnn.model";

/**
 * Cards of the models that workers have loaded and that can do a kind of job; one is
 * chosen.
 */
export class ModelPicker {
  /**
   * @param {Kind} kind - Kind of job that the models must do.
   * @param {Signal<Model[] | null>} models - Models that workers have loaded, null
   *     until they are known.
   * @param {(model: Model) => boolean} [isFit] - Further condition. Default: none.
   */
  constructor(kind, models, isFit = () => true) {
    this.#kind = kind;
    this.#isFit = isFit;
    this.#name = uniqueId("model");
    this.#list = el("div", { class: "cards" }, el("p", { class: "hint" }, t("Looking for models…")));
    this.element = group("model", t("Model"), this.#list);
    this.#list.addEventListener("change", () => this.#onChosen());
    new ResizeObserver(() => this.#reveal()).observe(this.#list);
    models.watch((held) => held && this.#offer(held, this.#last));
  }

  /**
   * Set the listener, and call it if a model is chosen.
   *
   * @param {(model: Model) => void} listener
   */
  set onChange(listener) {
    this.#listener = listener;
    if (this.model) listener(this.model);
  }

  #kind;
  #isFit;
  #name;
  #list;
  /** Models that can be chosen, the preferred ones first. @type {Model[]} */
  offered = [];
  #wantedName = lasting.get(CHOSEN) ?? "";
  /** The model that was chosen last, by whomever; it may be away for a moment. @type {Model | null} */
  #last = null;
  #isOffered = false;
  #listener = (/** @type {Model} */ model) => {};

  /**
   * Show the cards of the models that can do the job, and choose one.
   *
   * @param {Model[]} models
   * @param {Model | null} like - Model in whose place only one of the same kind of
   *     picture is chosen: what the person has painted fits no other. Null: any.
   */
  #offer(models, like) {
    const able = models.filter((model) => model.can.includes(this.#kind) && this.#isFit(model)).sort(inOrder(models));
    if (this.#isOffered && JSON.stringify(able) === JSON.stringify(this.offered)) return;
    this.#isOffered = true;
    const next = able.find((model) => !like || kindOf(model) === kindOf(like));
    const wanted = [this.model?.name, this.#wantedName, this.#last?.name, next?.name];
    const isAble = (/** @type {string | undefined} */ name) => able.some((model) => model.name === name);
    this.offered = able;
    const choice = (/** @type {string} */ value) => el("input", { type: "radio", name: this.#name, value });
    this.#list.replaceChildren(...able.map((model) => modelCard(model, choice(model.name))));
    if (!able.length) this.#list.append(el("p", { class: "hint" }, NO_MODEL));
    this.#check(wanted.find(isAble) ?? "");
  }

  get model() {
    const [box] = this.#list.querySelectorAll("input:checked");
    return this.offered.find(({ name }) => name === box?.getAttribute("value")) ?? null;
  }

  /**
   * Choose a model by name, now or when it is offered.
   *
   * @param {string} name
   * @returns {boolean} False if models are offered and none has this name.
   */
  choose(name) {
    this.#wantedName = name;
    return !this.#isOffered || this.#check(name);
  }

  /**
   * Choose a model because of its kind of picture, so that a better one for a hole may
   * replace it.
   *
   * @param {string} name
   */
  turnTo(name) {
    this.#wantedName = "";
    this.#check(name);
  }

  /**
   * Return the model that should fill a hole: the one that the person chose by name,
   * else the best of its kind, which is chosen then.
   *
   * @param {Uint8Array} hole - Mask, row by row: 1 for a pixel to fill.
   * @param {Model} model
   */
  fitFor(hole, model) {
    const fit = model.name === this.#wantedName ? model : bestForHole(similarModels(this.offered, model), hole);
    if (fit && fit !== model) this.#check(fit.name);
    return fit ?? model;
  }

  /**
   * Select the card of a model; return false if there is none.
   *
   * @param {string} name
   */
  #check(name) {
    const boxes = [...this.#list.querySelectorAll("input")];
    if (!boxes.some(({ value }) => value === name)) return false;
    for (const box of boxes) box.checked = box.value === name;
    this.#reveal();
    this.#last = this.model;
    if (this.model) this.#listener(this.model);
    return true;
  }

  /** Scroll the chosen card into sight. */
  #reveal() {
    /** @type {HTMLElement | null} */
    const card = this.#list.querySelector(".card:has(:checked)");
    if (!card) return;
    this.#list.scrollTop = card.offsetTop - (this.#list.clientHeight - card.offsetHeight) / 2;
  }

  /** Keep the person's choice and call the listener. */
  #onChosen() {
    if (!this.model) return;
    this.#last = this.model;
    this.#wantedName = this.model.name;
    lasting.set(CHOSEN, this.#wantedName);
    this.#listener(this.model);
  }
}

/**
 * @param {Model} model
 * @param {HTMLInputElement} choice
 */
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
 * Return a comparison of models for sorting: the best of each kind first, in the order
 * of kinds; then the others by quality.
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

/**
 * Show sample images of a model, if the page has some; otherwise the element stays as
 * it is.
 *
 * @param {HTMLElement} place - Element whose content is replaced.
 * @param {string} name
 */
export function showPicture(place, name) {
  if (!document.body.dataset.pictures?.split(" ").includes(name)) return;
  const src = assetUrl(`model-${encodeURIComponent(name)}.webp`);
  // Pictures are loaded lazily, because most views are never opened.
  place.replaceChildren(el("img", { loading: "lazy", alt: "", src }));
}
