/** Compare: the same seeds drawn by several models, or by one at several temperatures, row below row. */

import { el, find } from "../parts/dom.js";
import { DrawFields } from "../parts/draw_fields.js";
import { follow } from "../service/events.js";
import { clearTrouble, field, forgetTrouble, group, showTrouble, submitRow } from "../parts/fields.js";
import { remembered } from "../service/history.js";
import { kindOf, rankOf, titleOf } from "../service/kinds.js";
import { say, t } from "../lang.js";
import { Lightbox } from "../parts/lightbox.js";
import { modelCard } from "../parts/model_picker.js";
import { FieldTrouble } from "../service/problems.js";
import { blankCanvas, pen, save } from "../pixels/raster.js";
import { Latest } from "../signal.js";
import { thumbnailOf } from "../pixels/thumbnail.js";
import { Tiles } from "../parts/tiles.js";

/** @import {Job, Model, Shared} from "../types" */

const COLUMNS = 6;
const TEMPERATURES = [0.3, 0.6, 1, 1.4, 2];
/** What some of them mean. @type {Record<number, string>} */
const NOTES = {
  0.3: t("cold: hardly anything but what is likely"),
  1: t("what the network believes"),
  2: t("hot: nearly anything goes"),
};
const MOST_SIDE = 112;
/** Of the saved picture, for each pixel of an image. */
const SCALE = 8;
const LABEL = 34;

/** @typedef {{label: string, tiles: Tiles, job: Job}} Row */

export class CompareView {
  /** @param {HTMLElement} element @param {Shared} shared */
  constructor(element, shared) {
    this.#shared = shared;
    this.#element = element;
    this.#form = /** @type {HTMLFormElement} */ (find(element, "form"));
    this.#fields = new DrawFields(COLUMNS, shared.info);
    this.#by = el("select", {}, new Option(t("Models"), "models"), new Option(t("Temperatures"), "temperatures"));
    this.#model = el("select");
    this.#models = group("models", t("Models"), this.#cards);
    const one = field("model", t("Model"), this.#model);
    const what = field("by", t("What differs"), this.#by);
    this.#form.append(what, this.#models, one, this.#fields.element, submitRow(t("Compare")));
    this.#form.addEventListener("submit", (event) => this.#submit(event));
    forgetTrouble(this.#form, shared.isOnline);
    this.#by.addEventListener("change", () => this.#choose(one));
    this.#choose(one);
    this.#rows = el("div", { class: "comparison" });
    this.#save = el("button", { type: "button", class: "quiet", hidden: true }, t("Save as one picture"));
    this.#save.addEventListener("click", () => this.#saveAll());
    this.#state = el("p", { class: "standing", role: "status" });
    this.#cancel = el("button", { type: "button", class: "quiet", hidden: true }, t("Cancel"));
    this.#cancel.addEventListener("click", () => this.#stop());
    const head = el("div", { class: "board-head" }, this.#state, this.#cancel, this.#save);
    find(element, ".stage").append(head, this.#rows);
    shared.models.watch((models) => models && this.#suit(models));
  }

  #shared;
  #element;
  #form;
  #fields;
  #by;
  #model;
  #models;
  #cards = el("div", { class: "cards" });
  #rows;
  #save;
  #state;
  #cancel;
  /** What is shown, as it stands in the address. */
  #shown = "";
  #asking = new Latest();
  #offered = "";
  /** @type {Map<string, string>} */
  #titles = new Map();
  /** @type {Row[]} */
  #drawn = [];
  /** Names of those that can draw now. @type {Set<string>} */
  #ready = new Set();

  /** What an address says is drawn again, here or elsewhere. @param {string} place */
  async open(place) {
    if (!place) this.#begin();
    if (!place || place === this.#shown) return;
    this.#shown = place;
    await new Promise((resolve) => this.#shared.models.watch((models) => models && resolve(models)));
    if (this.#shown === place && this.#restore(new URLSearchParams(place))) this.#compare();
  }

  /** Something to look at, where nobody has asked for anything: it leaves no trace in address and history. */
  #begin() {
    const chosen = [...this.#models.querySelectorAll("input:checked")].map((box) => box.getAttribute("value") ?? "");
    const isReady = chosen.length && chosen.every((name) => this.#ready.has(name));
    if (isReady && !this.#element.hidden && !("used" in this.#element.dataset)) this.#compare(false);
  }

  /** @param {URLSearchParams} query @returns {boolean} whether it says what is to be drawn */
  #restore(query) {
    const [n, seed, temperature] = ["n", "seed", "temperature"].map((name) => Number(query.get(name)));
    const names = query.get("models")?.split(",") ?? [];
    if (!names.length || !Number.isInteger(n) || !Number.isSafeInteger(seed) || !(temperature > 0)) return false;
    this.#by.value = query.get("by") === "temperatures" ? "temperatures" : "models";
    this.#by.dispatchEvent(new Event("change"));
    this.#fields.set({ n, seed, temperature });
    this.#model.value = names[0];
    for (const box of this.#models.querySelectorAll("input")) box.checked = names.includes(box.value);
    return true;
  }

  /** Every number of it, so that it can be told to others. @param {string[]} models */
  #placeOf(models) {
    const { n, seed, temperature } = this.#fields.read();
    const values = { by: this.#by.value, models: models.join(","), n, seed, temperature };
    return String(new URLSearchParams(Object.entries(values).map(([name, value]) => [name, String(value)])));
  }

  /** Rows that nobody waits for. */
  #stop() {
    this.#asking.ask();
    this.#cancel.hidden = true;
    this.#state.textContent = t("Canceled.");
  }

  /** Either several models, or one at several temperatures. @param {HTMLElement} one */
  #choose(one) {
    const isByModel = this.#by.value === "models";
    this.#models.hidden = !isByModel;
    one.hidden = isByModel;
    find(this.#fields.element, "[data-field=temperature]").hidden = !isByModel;
  }

  /** @param {Model[]} models */
  #suit(models) {
    this.#ready = new Set(models.filter(({ compiling }) => !compiling).map(({ name }) => name));
    this.#offer(models);
    if (!this.#shown) this.#begin();
  }

  /** @param {Model[]} models */
  #offer(models) {
    const able = models.filter(({ can }) => can.includes("sample"));
    const key = able.map(({ name }) => name).join(" ");
    if (key === this.#offered) return;
    this.#offered = key;
    this.#titles = new Map(able.map((model) => [model.name, titleOf(model)]));
    const [best] = [...able].sort((a, b) => rankOf(a) - rankOf(b));
    const first = able.filter((model) => kindOf(model) === kindOf(best) && model.members.length === 1);
    const cards = [...able]
      .sort((a, b) => rankOf(a) - rankOf(b))
      .map((model) =>
        modelCard(model, el("input", { type: "checkbox", value: model.name, checked: first.includes(model) })),
      );
    this.#cards.replaceChildren(...cards);
    this.#model.replaceChildren(...able.map((model) => new Option(titleOf(model), model.name)));
  }

  /** What each row is drawn with. Throws FieldTrouble. */
  #variants() {
    const { n, seed, temperature } = this.#fields.read();
    if (this.#by.value === "temperatures") {
      const model = this.#model.value;
      if (!model) throw new FieldTrouble("model", t("There is no model to draw with."));
      return TEMPERATURES.map((degree) => ({
        label: t("Temperature {degree}", { degree: say(degree) }),
        note: NOTES[degree] ?? "",
        wish: { model, n, seed, temperature: degree },
      }));
    }
    const chosen = [.../** @type {NodeListOf<HTMLInputElement>} */ (this.#models.querySelectorAll("input:checked"))];
    if (!chosen.length) throw new FieldTrouble("models", t("Choose the models that are to be compared."));
    return chosen.map(({ value: model }) => ({
      label: this.#titles.get(model) ?? model,
      note: (this.#titles.get(model) === model ? "" : `${model} · `) + t("seed {seed}", { seed }),
      wish: { model, n, seed, temperature },
    }));
  }

  /** @param {Event} event */
  #submit(event) {
    event.preventDefault();
    this.#compare();
  }

  /** @param {boolean} isAsked */
  async #compare(isAsked = true) {
    clearTrouble(this.#form);
    try {
      const variants = this.#variants();
      const signal = this.#asking.ask();
      const place = this.#placeOf([...new Set(variants.map(({ wish }) => wish.model))]);
      if (isAsked) {
        this.#shown = place;
        this.#shared.onJob(place);
        this.#fields.used();
      }
      this.#element.dataset.used = "";
      this.#rows.replaceChildren();
      this.#rows.dataset.by = this.#by.value;
      this.#save.hidden = true;
      this.#drawn = [];
      this.#count(variants.length);
      const jobs = await Promise.all(variants.map(({ wish }) => this.#shared.api.submit("/sample", wish)));
      for (const { id } of jobs) this.#shared.api.takeBackWith(id, signal);
      if (signal.aborted) return;
      this.#drawn = await Promise.all(jobs.map((job, i) => this.#lay(variants[i], job)));
      this.#cancel.hidden = false;
      await Promise.all(this.#drawn.map((row) => this.#draw(row, signal).then(() => this.#count(variants.length))));
      if (signal.aborted) return;
      this.#save.hidden = false;
      this.#cancel.hidden = true;
      if (!isAsked) return;
      const [{ job }] = this.#drawn;
      const canvases = this.#drawn.map(({ tiles }) => tiles.paintings[0].canvas);
      this.#shared.history.keep({ ...remembered({ ...job, status: "succeeded" }, {}, thumbnailOf(canvases)), place });
    } catch (error) {
      this.#state.textContent = "";
      this.#cancel.hidden = true;
      if (isAsked) showTrouble(this.#form, error);
    }
  }

  /** How many rows are there. @param {number} all */
  #count(all) {
    const done = this.#drawn.filter(({ tiles }) => tiles.isWhole).length;
    const counts = { done: say(done), all: say(all) };
    this.#state.textContent = done < all ? t("Drawing: {done} of {all} rows are there", counts) : "";
  }

  /** An empty row. @param {{label: string, note: string}} variant @param {Job} job @returns {Promise<Row>} */
  async #lay({ label, note }, job) {
    const tiles = new Tiles();
    tiles.onOpen = (sample) => new Lightbox(this.#shared, job, tiles.paintings, {}).open(sample);
    const facts = el("span", { class: "hint" }, note);
    this.#rows.append(el("div", { class: "row" }, el("p", {}, el("strong", {}, label), " ", facts), tiles.element));
    await tiles.lay(job, {});
    tiles.element.style.setProperty("--columns", String(job.n));
    tiles.element.style.setProperty("--tile", `${Math.max(1, Math.floor(MOST_SIDE / job.width)) * job.width}px`);
    return { label, tiles, job };
  }

  /** @param {Row} row @param {AbortSignal} signal */
  async #draw({ tiles, job }, signal) {
    for await (const event of follow(this.#shared.api, job.id, signal, () => {})) {
      if (event.name === "row") tiles.put(event.data);
      if (event.name === "error") throw new FieldTrouble("form", event.data.error?.detail ?? event.data.detail);
      if (event.name !== "done") continue;
      this.#shared.api.settled(job.id);
      tiles.rest();
    }
  }

  /** All rows under their names, large enough to be shown to others. */
  #saveAll() {
    const width = Math.max(...this.#drawn.map(({ job }) => job.n * (job.width + 1) * SCALE));
    const heights = this.#drawn.map(({ job }) => LABEL + (job.height + 1) * SCALE);
    const sheet = blankCanvas(
      width,
      heights.reduce((sum, height) => sum + height, 0),
    );
    const brush = pen(sheet);
    brush.fillStyle = "#ffffff";
    brush.fillRect(0, 0, sheet.width, sheet.height);
    brush.imageSmoothingEnabled = false;
    brush.font = "20px system-ui, sans-serif";
    let top = 0;
    this.#drawn.forEach(({ label, tiles, job }, i) => {
      brush.fillStyle = "#21201d";
      brush.fillText(label, 4, top + 24);
      tiles.paintings.forEach(({ canvas }, column) => {
        const left = column * (job.width + 1) * SCALE;
        brush.drawImage(canvas, left, top + LABEL, job.width * SCALE, job.height * SCALE);
      });
      top += heights[i];
    });
    sheet.toBlob((blob) => blob && save(blob, `comparison-${this.#drawn[0].job.seed}.png`), "image/png");
  }
}
