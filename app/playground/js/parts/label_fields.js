/** Form field for the label of new images. */

import { el, uniqueId } from "./dom.js";
import { group } from "./fields.js";
import { t } from "../lang.js";

/** @import {Model} from "../types" */

/** One label for all images, a list with one for each, or none. @typedef {string | string[] | null} LabelChoice */

/** Radio buttons for the label of new images, hidden for models without labels. */
export class LabelFields {
  /** @param {boolean} offersEach - Whether "One of each" is offered. */
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

  /**
   * Offer the labels of a model. The choice stays if the model has it.
   *
   * @param {Model} model
   */
  suit({ labels }) {
    const names = labels.map(({ name }) => name);
    this.element.hidden = !names.length;
    if (![this.#choice ?? []].flat().every((name) => names.includes(name))) this.#choice = null;
    const choices = /** @type {[string, LabelChoice][]} */ ([
      [t("Any"), null],
      ...(this.#offersEach ? [[t("One of each"), names]] : []),
      ...names.map((name) => [name, name]),
    ]);
    const group = uniqueId("label");
    this.#row.replaceChildren(...choices.map(([text, labels]) => this.#radio(group, text, labels)));
  }

  /**
   * @param {string} name
   * @param {string} text
   * @param {LabelChoice} labels
   */
  #radio(name, text, labels) {
    const radio = el("input", {
      type: "radio",
      name,
      checked: JSON.stringify(labels) === JSON.stringify(this.#choice),
    });
    radio.addEventListener("change", () => (this.#choice = labels));
    return el("label", {}, radio, text);
  }

  /**
   * Return the fields of a request that state the choice: none, one label, or a list of
   * labels with the number of images.
   *
   * @returns {{label?: string | string[], n?: number}}
   */
  read() {
    if (this.element.hidden || this.#choice === null) return {};
    return Array.isArray(this.#choice) ? { label: this.#choice, n: this.#choice.length } : { label: this.#choice };
  }

  /**
   * Choose a label, which is selected as soon as a model that has it is suited.
   *
   * @param {LabelChoice | undefined} labels
   */
  set(labels) {
    this.#choice = labels ?? null;
  }
}
