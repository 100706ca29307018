/** Watch: a picture is drawn before the reader's eyes, or finished where the reader began one. */

import { find } from "./dom.js";
import { icon } from "./icons.js";
import { InkPad } from "./ink_pad.js";
import { t } from "./lang.js";
import { explain } from "./problems.js";
import { Writing } from "./writing.js";

/** @import {Shared} from "./drawing_view.js" */
/** @import {Model} from "./types" */

const NOBODY = t("No running worker has a model of black-and-white pictures, which is what can be watched here.");

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
    this.#wire("another", () => this.#write());
    this.#wire("mine", () => this.#finishMine());
    shared.models.watch((models) => models && this.#suit(models));
  }

  #element;
  #shared;
  #writing;
  #pad;
  /** @type {Model | null} */
  #model = null;

  open() {
    if (this.#model && !this.#writing.hasBegun && !this.#pad.isOpen) this.#write();
  }

  /** The best of those whose pixels are black or white and which see the picture in one order. @param {Model[]} models */
  #suit(models) {
    const able = models.filter(({ can, values, channels, members }) => {
      const isPlain = values === 2 && channels === 1 && members.length === 1 && members[0] === "none";
      return isPlain && can.includes("sample") && can.includes("score") && can.includes("complete");
    });
    const held = able.find(({ name, digest }) => name === this.#model?.name && digest === this.#model.digest);
    this.#model = held ?? able.sort((a, b) => natsPerPixel(a) - natsPerPixel(b))[0] ?? null;
    find(this.#element, ".origin").textContent = this.#model ? origin(this.#model) : "";
    if (!this.#model) this.#say(NOBODY);
    else if (!this.#element.hidden) this.open();
  }

  #write() {
    this.#show(false);
    if (this.#model) this.#writing.begin(this.#model);
  }

  #finishMine() {
    if (!this.#model) return;
    this.#writing.stop();
    this.#show(true);
    this.#pad.open(this.#model);
  }

  /** @param {boolean} isMine */
  #show(isMine) {
    this.#say(null);
    if (!isMine) this.#pad.close();
    find(this.#element, "[data-act=mine]").setAttribute("aria-pressed", String(isMine));
    find(this.#element, "[data-act=clear]").hidden = !isMine;
    find(this.#element, "[data-part=mine]").hidden = !isMine;
    find(this.#element, "[data-part=writing]").hidden = isMine;
    for (const part of this.#element.querySelectorAll(".place, [data-act=play], [data-act=step], .speed")) {
      /** @type {HTMLElement} */ (part).hidden = isMine;
    }
    find(this.#element, "h1").textContent = isMine
      ? t("You begin a picture, and the network finishes it")
      : t("This picture is being drawn one pixel at a time");
  }

  /** @param {string} act @param {() => void} does */
  #wire(act, does) {
    find(this.#element, `[data-act=${act}]`).addEventListener("click", does);
  }

  /** @param {unknown} error */
  #say(error) {
    const line = find(this.#element, ".explained > .trouble");
    line.hidden = error === null;
    line.textContent = error === null || typeof error === "string" ? error : explain(error).text;
  }
}

/** What kind of picture it is going to be: how the data was split is no news here. @param {Model} model */
function origin({ name, data }) {
  return t("By {model}, trained on {data}.", { model: name, data: data.split(" (")[0] });
}

/** Nats of whole pictures do not compare between sizes. @param {Model} model */
function natsPerPixel({ test_nats: nats, height, width }) {
  return nats == null ? Infinity : nats / (height * width);
}
