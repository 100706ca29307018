/**
 * The view "Sample": new images of one model, or a comparison, and below them the
 * history.
 */

import { Comparison } from "../parts/comparison.js";
import { el, find, uniqueId } from "../parts/dom.js";
import { DrawFields } from "../parts/draw_fields.js";
import { clearTrouble, field, showTrouble, submitRow } from "../parts/fields.js";
import { HistoryStrip } from "../parts/history_strip.js";
import { icon } from "../parts/icons.js";
import { LabelFields } from "../parts/label_fields.js";
import { formatNumber, t } from "../lang.js";
import { ModelPicker } from "../parts/model_picker.js";
import { historyEntry } from "../service/history.js";
import { titleOf } from "../service/kinds.js";
import { FieldTrouble } from "../service/problems.js";
import { thumbnailOf } from "../pixels/thumbnail.js";
import { DrawingView } from "./drawing_view.js";

/** @import {JobInput, Job, Recipe, HistoryEntry, Settings, Shared} from "../types" */
/** @import {Variant} from "../parts/comparison.js" */

/** Number of images at first. */
const IMAGES = 16;
/** Images of each row of a comparison. */
const COLUMNS = 6;
/** Temperatures that are compared. */
const TEMPERATURES = [0.3, 0.6, 1, 1.4, 2];
/**
 * Temperature -> what it means.
 *
 * @type {Record<number, string>}
 */
const NOTES = {
  0.3: t("cold: hardly anything but what is likely"),
  1: t("what the network believes"),
  2: t("hot: nearly anything goes"),
};

/**
 * The views at #sample, #compare and #history. rooms.js makes one when one of them is
 * first opened.
 *
 * Methods: those of `ViewInstance` in types.d.ts. Errors are shown beside the form.
 */
export class SampleView {
  /**
   * @param {HTMLElement} element - Section of the view.
   * @param {Shared} shared - State and services of the page.
   */
  constructor(element, shared) {
    this.#element = element;
    this.#shared = shared;
    this.#models = new ModelPicker("sample", shared.models);
    this.#fields = new DrawFields(IMAGES, shared.info);
    const parts = { models: this.#models, labels: this.#labels, fields: this.#fields };
    const form = find(element, "form");
    form.append(this.#models.element, this.#labels.element, this.#fields.element, submitRow(t("Draw")), this.#opener());
    this.#drawing = new DrawingView(element, shared, parts, async ({ name: model }) => {
      const wish = { ...this.#fields.read(), ...this.#labels.read() };
      return { path: "/sample", body: { model, ...wish }, given: {}, wish };
    });
    form.append(this.#drawing.code.element);
    this.#drawing.hasOneCall = () => !this.#by.value;
    this.#drawing.onSubmit = () => (this.#by.value ? this.#compare(true) : this.#drawing.draw(null));
    this.#by.addEventListener("change", () => this.#suit());
    this.#fields.element.after(field("by", t("Compare"), this.#by));
    this.#comparison = new Comparison(shared);
    find(element, ".stage").append(this.#comparison.element);
    this.#strip = new HistoryStrip(shared);
    element.append(this.#strip.element);
  }

  #element;
  #shared;
  #models;
  #fields;
  #drawing;
  #comparison;
  #strip;
  #labels = new LabelFields(true);
  #by = el(
    "select",
    {},
    new Option(t("Nothing: one model"), ""),
    new Option(t("Several models"), "models"),
    new Option(t("Several temperatures"), "temperatures"),
  );
  /** Comparison that is shown, as a query; "" for none. */
  #shownPlace = "";

  /**
   * Show a job, a comparison, or the history.
   *
   * @param {string} place - Id of a job, or a comparison as a query; "" for none.
   * @param {string} [_further]
   * @param {string} [name] - "sample", "compare" or "history".
   */
  async open(place, _further, name = "") {
    this.#strip.show();
    this.#strip.look();
    if (name === "history") scrollTo(0, this.#strip.element.offsetTop);
    if (name !== "compare" && !place && this.#by.value) return;
    if (name !== "compare") {
      this.#turnTo("");
      return this.#drawing.open(place);
    }
    this.#element.dataset.used = "";
    await this.#shared.models.first();
    this.#turnTo("models");
    if (place ? place === this.#shownPlace : this.#shownPlace) return;
    const trouble = place ? this.#restore(new URLSearchParams(place)) : "";
    if (trouble) showTrouble(find(this.#element, "form"), new FieldTrouble("", trouble));
    else this.#compare(Boolean(place));
  }

  /**
   * Return a button that opens a picture that was drawn here; the page reads its
   * settings.
   */
  #opener() {
    const file = el("input", { type: "file", id: uniqueId("file"), accept: "image/png,.pxrn", class: "unseen" });
    file.addEventListener("change", () => {
      if (file.files?.[0]) this.#shared.onFile(file.files[0]);
      file.value = "";
    });
    const words = t("Open a picture that was drawn here");
    const label = el("label", { class: "button", for: file.id }, icon("picture"), words);
    return el("div", { class: "drop" }, file, label);
  }

  /**
   * Draw what a link names, and compare the bytes.
   *
   * @param {Recipe} recipe
   */
  follow(recipe) {
    this.#turnTo("");
    this.#drawing.follow(recipe);
  }

  /**
   * Put settings into the form.
   *
   * @param {Settings | HistoryEntry | Job} settings
   * @param {JobInput} given
   */
  restore(settings, given) {
    this.#turnTo("");
    this.#drawing.restore(settings, given);
  }

  /**
   * Choose what is compared; "" for nothing.
   *
   * @param {string} by
   */
  #turnTo(by) {
    if (Boolean(by) === Boolean(this.#by.value)) return;
    this.#by.value = by;
    this.#suit();
  }

  /** Adapt the form to what is compared. */
  #suit() {
    const by = this.#by.value;
    const isCompared = Boolean(by);
    if (this.#models.areSeveral !== (by === "models")) this.#models.areSeveral = by === "models";
    find(this.#fields.element, "[data-field=temperature]").hidden = by === "temperatures";
    find(this.#fields.element, "[data-field=n] input").value = String(isCompared ? COLUMNS : IMAGES);
    this.#labels.element.classList.toggle("unneeded", isCompared);
    find(this.#element, "button.primary").textContent = isCompared ? t("Compare") : t("Draw");
    find(this.#element, ".stage > .board").hidden = isCompared;
    this.#comparison.element.hidden = !isCompared;
  }

  /**
   * Put a comparison into the form. Return a sentence if it cannot be drawn, else "".
   *
   * @param {URLSearchParams} query
   * @returns {string}
   */
  #restore(query) {
    const [n, seed, temperature] = ["n", "seed", "temperature"].map((name) => Number(query.get(name)));
    const names = query.get("models")?.split(",") ?? [];
    if (!names.length || !Number.isInteger(n) || !Number.isSafeInteger(seed) || !(temperature > 0))
      return t("This link does not say what is to be drawn: a part of it is missing or wrong.");
    this.#by.value = query.get("by") === "temperatures" ? "temperatures" : "models";
    this.#suit();
    this.#fields.set({ n, seed, temperature });
    const missing = names.filter((name) => !this.#models.offered.some((model) => model.name === name));
    if (missing.length) return t("This was drawn by {model}, which no worker here has.", { model: missing.join(", ") });
    this.#models.choose(...names);
    return "";
  }

  /**
   * Draw a comparison.
   *
   * @param {boolean} isAsked - False for an example, which is kept neither in the
   *     address nor in the history.
   */
  async #compare(isAsked) {
    const form = /** @type {HTMLFormElement} */ (find(this.#element, "form"));
    clearTrouble(form);
    try {
      const variants = this.#variants();
      const place = this.#placeOf(variants);
      if (isAsked) {
        this.#shownPlace = place;
        this.#shared.onJob(place, "compare");
        this.#fields.used();
      }
      this.#element.dataset.used = "";
      this.#comparison.element.dataset.by = this.#by.value;
      const rows = await this.#comparison.draw(variants);
      if (!isAsked || !rows[0]?.job.id) return;
      const thumbnail = thumbnailOf(rows.map(({ tiles }) => tiles.paintings[0].canvas));
      this.#shared.history.keep({ ...historyEntry(rows[0].job, {}, thumbnail), place });
    } catch (error) {
      if (isAsked) showTrouble(form, error);
    }
  }

  /**
   * Return the model and options of each row.
   *
   * @returns {Variant[]}
   * @throws {FieldTrouble} if a field is invalid or no model is chosen.
   */
  #variants() {
    const { n, seed, temperature } = this.#fields.read();
    const { chosen } = this.#models;
    if (!chosen.length) throw new FieldTrouble("model", t("Choose the models that are to be compared."));
    if (this.#by.value === "models") {
      const note = t("seed {seed}", { seed });
      return chosen.map((model) => ({ label: titleOf(model), note, model, wish: { n, seed, temperature } }));
    }
    return TEMPERATURES.map((degree) => ({
      label: t("Temperature {degree}", { degree: formatNumber(degree) }),
      note: NOTES[degree] ?? "",
      model: chosen[0],
      wish: { n, seed, temperature: degree },
    }));
  }

  /**
   * Return the comparison as a query.
   *
   * @param {Variant[]} variants
   */
  #placeOf(variants) {
    const models = [...new Set(variants.map(({ model }) => model.name))].join(",");
    const values = { by: this.#by.value, models, ...this.#fields.read() };
    return String(new URLSearchParams(Object.entries(values).map(([name, value]) => [name, String(value)])));
  }
}
