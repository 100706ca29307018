/** The label that new images have: a row of them under the model, where it has any. */

import { el, uniqueId } from "./dom.js";
import { group } from "./fields.js";
import { t } from "../lang.js";

/** @import {Model} from "../types" */

/** @typedef {string | string[] | null} LabelChoice that of all images, those of each, or none */

export class LabelFields {
  /** @param {boolean} offersEach whether one image of each label can be asked for */
  constructor(offersEach) {
    this.#offersEach = offersEach;
    this.#row = el("div", { class: "labels" });
    this.element = group("label", t("Label"), this.#row);
    this.element.hidden = true;
  }

  #offersEach;
  #row;
  /** @type {LabelChoice} */
  #choice = null;

  /** The labels of this model; what is asked for stays, if it has that too. @param {Model} model */
  suit({ labels }) {
    const names = labels.map(({ name }) => name);
    this.element.hidden = !names.length;
    if (![this.#choice ?? []].flat().every((name) => names.includes(name))) this.#choice = null;
    /** @type {[string, LabelChoice][]} */
    const each = this.#offersEach ? [[t("One of each"), names]] : [];
    /** @type {[string, LabelChoice][]} */
    const choices = [
      [t("Any"), null],
      ...each,
      ...names.map((name) => /** @type {[string, LabelChoice]} */ ([name, name])),
    ];
    const group = uniqueId("label");
    this.#row.replaceChildren(...choices.map(([text, asked]) => this.#radio(group, text, asked)));
  }

  /** @param {string} name @param {string} text @param {LabelChoice} asked */
  #radio(name, text, asked) {
    const radio = el("input", { type: "radio", name, checked: JSON.stringify(asked) === JSON.stringify(this.#choice) });
    radio.addEventListener("change", () => (this.#choice = asked));
    return el("label", {}, radio, text);
  }

  /** What the request says of it; of a list each label stands for one image. @returns {{label?: string | string[], n?: number}} */
  read() {
    if (this.element.hidden || this.#choice === null) return {};
    return Array.isArray(this.#choice) ? { label: this.#choice, n: this.#choice.length } : { label: this.#choice };
  }

  /** Exactly this, as soon as a model is chosen that has it. @param {LabelChoice | undefined} asked */
  set(asked) {
    this.#choice = asked ?? null;
  }
}
