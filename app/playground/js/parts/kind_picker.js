/** Choose a kind of picture. */

import { el } from "./dom.js";
import { drawsBlobs, kindOf } from "../service/kinds.js";
import { t } from "../lang.js";

/** @import {Model} from "../types" */

/**
 * A radio button for each kind of picture that the loaded models draw; those of blobs are
 * behind "More".
 */
export class KindPicker {
  /**
   * @param {HTMLElement} place - Fieldset whose first child is its legend; the buttons
   *     are put behind it.
   * @param {string} name - Name of the radio buttons.
   */
  constructor(place, name) {
    this.#place = place;
    this.#name = name;
    place.addEventListener("change", () =>
      this.onChoose(/** @type {any} */ (place.querySelector("input:checked")).value),
    );
  }

  /** Called with the name of the model that the person chooses. @type {(name: string) => void} */
  onChoose = () => {};

  #place;
  #name;
  #offered = "";

  /**
   * Set the choices.
   *
   * @param {Model[]} models - One model of each kind.
   * @param {Model | null} chosen - The model that is chosen now, or null.
   */
  offer(models, chosen) {
    const names = models.map(({ name }) => name).join(" ");
    if (names !== this.#offered) this.#place.replaceChildren(...this.#choices(models));
    this.#offered = names;
    if (chosen && drawsBlobs(chosen)) this.#unfold();
    for (const radio of this.#place.querySelectorAll("input")) radio.checked = radio.value === chosen?.name;
    const chip = this.#place.querySelector(":checked")?.parentElement;
    // On a phone the buttons are one row, which is scrolled.
    this.#place.scrollLeft = (chip?.offsetLeft ?? 0) - this.#place.offsetLeft - 4;
  }

  /** @param {Model[]} models */
  #choices(models) {
    const legend = /** @type {Element} */ (this.#place.firstElementChild);
    const chips = models.map((model) => {
      const radio = el("input", { type: "radio", name: this.#name, value: model.name });
      return el("label", { class: "chip", title: model.name, hidden: drawsBlobs(model) }, radio, kindOf(model));
    });
    const more = el("button", { type: "button", class: "chip", on: { click: () => this.#unfold() } }, t("More"));
    return [legend, ...chips, ...(models.some(drawsBlobs) ? [more] : [])];
  }

  #unfold() {
    for (const chip of this.#place.querySelectorAll(".chip")) chip.toggleAttribute("hidden", chip.matches("button"));
  }
}

/**
 * Return the first model of each kind of picture, in the order of the list.
 *
 * @param {Model[]} models
 * @returns {Model[]}
 */
export function firstOfEach(models) {
  const first = /** @type {Map<string, Model>} */ (new Map());
  for (const model of models) if (!first.has(kindOf(model))) first.set(kindOf(model), model);
  return [...first.values()];
}
