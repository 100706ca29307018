/** Watch: a picture is drawn before the reader's eyes, or finished where the reader began one. */

import { el, find } from "./dom.js";
import { icon } from "./icons.js";
import { InkPad } from "./ink_pad.js";
import { kindOf, rankOf } from "./kinds.js";
import { say, t } from "./lang.js";
import { explain, Unreachable } from "./problems.js";
import { Writing } from "./writing.js";
import { isInOneOrder } from "./written.js";

/** @import {Shared} from "./drawing_view.js" */
/** @import {Model} from "./types" */

const NOBODY = t("No running worker has a model that can be watched here.");
/** So long nothing may move: then a film does. */
const PATIENCE_MS = 600;

export class WatchView {
  /** @param {HTMLElement} element @param {Shared} shared */
  constructor(element, shared) {
    this.#element = element;
    this.#shared = shared;
    for (const button of element.querySelectorAll(".controls [data-icon]")) {
      button.prepend(icon(button.getAttribute("data-icon") ?? ""));
    }
    this.#writing = new Writing(element, shared.api);
    this.#pad = new InkPad(element, shared);
    for (const part of [this.#writing, this.#pad]) part.onTrouble = (error) => this.#say(error);
    this.#writing.onWait = (text) => this.#tell(text);
    this.#writing.onChange = () => this.#tell("");
    this.#wire("another", () => this.#write());
    this.#wire("mine", () => this.#finishMine());
    find(element, ".kinds").addEventListener("change", () => this.#choose());
    shared.models.watch((models) => models && this.#suit(models));
    shared.isOnline.watch((isBack) => isBack && this.#isCutOff && this.open());
    setTimeout(() => this.#fill(), PATIENCE_MS);
  }

  #element;
  #shared;
  #writing;
  #pad;
  /** The best of each kind. @type {Model[]} */
  #offered = [];
  /** @type {Model | null} */
  #model = null;
  #all = 0;
  #isReadyCount = 0;
  #isCutOff = false;
  #isPatient = true;
  #place = "";
  /** The place was asked for before there were models. */
  #isDue = false;

  /** It is seen now: something is drawn, if nothing was. @param {string} [place] mine, where the reader begins */
  open(place = this.#place) {
    if (place !== this.#place || this.#isDue) this.#turnTo(place);
    if (this.#element.hidden || this.#pad.isOpen) return;
    const isReady = this.#model && !this.#model.compiling;
    if (isReady && !this.#writing.isLive && !this.#writing.isAsking) this.#write();
    else if (!this.#isPatient) this.#fill();
  }

  leave() {
    this.#writing.leave();
  }

  /** Now, or when there are models. @param {string} place */
  #turnTo(place) {
    this.#place = place;
    this.#isDue = Boolean(place) && !this.#model;
    if (!this.#model) return;
    if (place === "mine") this.#finishMine();
    else if (this.#pad.isOpen) this.#write();
  }

  /** A film, where nothing else is. */
  #fill() {
    this.#isPatient = false;
    const isEmpty = !this.#writing.isShown && !this.#element.hidden && !this.#pad.isOpen;
    if (isEmpty) this.#writing.showFilm();
  }

  /** @param {Model[]} models */
  #suit(models) {
    const able = models.filter(({ can }) =>
      ["sample", "score", "complete"].every((kind) => can.includes(/** @type {any} */ (kind))),
    );
    this.#offered = bestOfEach(able);
    this.#all = models.length;
    this.#isReadyCount = models.filter(({ compiling }) => !compiling).length;
    this.#offer();
    const before = this.#model;
    const same = this.#offered.find((model) => before && kindOf(model) === kindOf(before));
    const isBusy = this.#writing.isLive || this.#writing.isAsking;
    const ready = this.#offered.find(({ compiling }) => !compiling);
    this.#model = (isBusy && same) || (same && !same.compiling && same) || ready || same || this.#offered[0] || null;
    this.#mark();
    if (!this.#model) this.#say(NOBODY);
    else if (this.#line.textContent === NOBODY) this.#say(null);
    this.#tell("");
    this.open();
  }

  /** A button for each kind; none where there is no choice. */
  #offer() {
    const place = find(this.#element, ".kinds");
    const key = this.#offered.map(({ name }) => name).join(" ");
    if (place.dataset.key === key) return;
    place.dataset.key = key;
    place.hidden = this.#offered.length < 2;
    const choices = this.#offered.map((model) => {
      const radio = el("input", { type: "radio", name: "watched", value: model.name });
      return el("label", { class: "chip", title: model.name }, radio, kindOf(model));
    });
    place.replaceChildren(place.firstElementChild, ...choices);
  }

  #mark() {
    for (const radio of this.#element.querySelectorAll(".kinds input")) {
      const input = /** @type {HTMLInputElement} */ (radio);
      input.checked = input.value === this.#model?.name;
    }
  }

  #choose() {
    const name = find(this.#element, ".kinds input:checked").value;
    this.#model = this.#offered.find((model) => model.name === name) ?? null;
    if (this.#pad.isOpen) this.#finishMine();
    else this.#write();
  }

  #write() {
    this.#show(false);
    if (!this.#model) return this.#say(NOBODY);
    this.#isCutOff = false;
    this.#writing.begin(this.#model);
  }

  #finishMine() {
    if (!this.#model || !isPaper(this.#model)) return;
    this.#writing.stop();
    this.#pad.open(this.#model);
    this.#show(true);
  }

  /** @param {boolean} isMine */
  #show(isMine) {
    this.#say(null);
    if (!isMine) this.#pad.close();
    find(this.#element, "[data-act=mine]").setAttribute("aria-pressed", String(isMine));
    find(this.#element, "[data-act=clear]").hidden = !isMine;
    find(this.#element, "[data-part=mine]").hidden = !isMine;
    find(this.#element, "[data-part=writing]").hidden = isMine;
    for (const part of this.#element.querySelectorAll(
      ".place, [data-act=play], [data-act=step], [data-act=roll], .speed",
    )) {
      /** @type {HTMLElement} */ (part).hidden = isMine;
    }
    this.#tell("");
  }

  /** What is seen here: by whom, or that it is recorded, and what is waited for. @param {string} waiting */
  #tell(waiting) {
    find(this.#element, "h1").textContent = this.#heading;
    this.#element.dataset.live = String(this.#writing.isLive);
    const isRecorded = this.#writing.isShown && !this.#writing.isLive;
    find(this.#element, "[data-act=another]").disabled = !this.#model || this.#model.compiling;
    find(this.#element, "[data-act=mine]").disabled = !this.#model || !isPaper(this.#model);
    find(this.#element, ".recorded").hidden = !isRecorded;
    find(this.#element, ".recorded").textContent = isRecorded ? this.#recorded : "";
    const line = waiting || (isRecorded || !this.#model ? "" : origin(this.#model));
    find(this.#element, ".origin").textContent = line;
  }

  get #heading() {
    if (this.#pad.isOpen) return t("You begin a picture, and the network finishes it");
    if (this.#writing.isFinished) return t("This picture was drawn one pixel at a time");
    return t("This picture is being drawn one pixel at a time");
  }

  get #recorded() {
    if (!this.#model?.compiling) return t("Recorded earlier.");
    const counts = { ready: say(this.#isReadyCount), all: say(this.#all) };
    if (this.#model.state === "loading") {
      return t(
        "Recorded earlier. The live one begins by itself in some seconds: {ready} of {all} networks are loaded.",
        counts,
      );
    }
    return t(
      "Recorded earlier. The live one begins by itself: the networks are being compiled for this processor, once, which takes about a minute. {ready} of {all} are ready.",
      counts,
    );
  }

  /** @param {string} act @param {() => void} does */
  #wire(act, does) {
    find(this.#element, `[data-act=${act}]`).addEventListener("click", does);
  }

  get #line() {
    return find(this.#element, ".explained > .trouble");
  }

  /** @param {unknown} error */
  #say(error) {
    this.#isCutOff = error instanceof Unreachable; // when the server is back it begins by itself
    this.#line.hidden = error === null;
    this.#line.textContent = error === null || typeof error === "string" ? error : explain(error).text;
    if (error !== null && !this.#isPatient) this.#fill();
  }
}

/** Of each kind the one whose pictures are shown best: in one order, then the one that knows them best. @param {Model[]} models */
function bestOfEach(models) {
  const best = /** @type {Map<string, Model>} */ (new Map());
  const sorted = [...models].sort((a, b) => Number(isInOneOrder(b)) - Number(isInOneOrder(a)) || cost(a) - cost(b));
  for (const model of sorted) if (!best.has(kindOf(model))) best.set(kindOf(model), model);
  return [...best.values()].sort((a, b) => rankOf(a) - rankOf(b));
}

/** Whether one can draw on it with black and white. @param {Model} model */
function isPaper({ values, channels }) {
  return values === 2 && channels === 1;
}

/** What kind of picture it is going to be: how the data was split is no news here. @param {Model} model */
function origin({ name, data }) {
  return t("By {model}, trained on {data}.", { model: name, data: data.split(" (")[0] });
}

/** @param {Model} model */
function cost({ test_bits_per_dim: bits }) {
  return bits ?? Infinity;
}
