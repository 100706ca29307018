/** Ink: the reader says what is white and what is black, anywhere, and the network draws what is unknown. */

import { receiptOf } from "../service/api.js";
import { ableTo, alikes, bestFor, fittest } from "../service/choice.js";
import { announce, el, find } from "../parts/dom.js";
import { examplesFor } from "../service/examples.js";
import { Inquiry } from "../service/inquiry.js";
import { firstOfEach, KindPicker } from "../parts/kind_picker.js";
import { kindOf } from "../service/kinds.js";
import { Bars } from "../parts/label_bars.js";
import { t } from "../lang.js";
import { Pad, WHITE } from "../parts/pad.js";
import { asSeenBy, blankCanvas, canvasOf, load, pen } from "../pixels/raster.js";
import { friendlySeed } from "../service/requests.js";
import { Tiles } from "../parts/tiles.js";
import {
  AWAY,
  chanceOfGiven,
  chanceOfPicture,
  NOBODY,
  ownWords,
  quality,
  qualityOf,
  standing,
} from "../service/words.js";

/** @import {Drawn, Model, Shared} from "../types" */

const REST_MS = 300;
const ENDINGS = 4;
const MOST_PARTICLES = 128;

export class InkView {
  /** @param {HTMLElement} element @param {Shared} shared */
  constructor(element, shared) {
    this.#element = element;
    this.#shared = shared;
    find(element, ".easel").append(this.#pad.element, this.#bars.element);
    this.#pad.onInk = () => {
      this.#forget();
      this.#guess();
    };
    this.#pad.onRest = () => this.#finishSoon();
    this.#kinds = new KindPicker(find(element, ".kinds"), "inked");
    this.#kinds.onChoose = (name) => this.#turnTo(name);
    this.#harder = find(element, "[data-act=harder]");
    this.#harder.addEventListener("click", () => this.#tryHarder());
    this.#use = find(element, "[data-act=use]");
    find(element, ".endings").append(this.#tiles.element);
    this.#tiles.onOpen = (sample) => this.#show(sample);
    this.#inquiry = new Inquiry(
      shared.isOnline,
      (text) => this.#say(text),
      () => this.open(),
    );
    shared.models.watch((models) => models && this.#suit(models));
  }

  #element;
  #shared;
  #pad = new Pad(WHITE);
  #bars = new Bars();
  /** A guess at what is drawn is on its way, and then another one. */
  #isGuessing = false;
  #isDrawnOn = false;
  #kinds;
  #harder;
  #use;
  #tiles = new Tiles();
  #inquiry;
  /** @type {Model[]} */
  #models = [];
  /** One that draws pictures of the kind that is chosen. @type {Model | null} */
  #model = null;
  /** Which ending is seen large; -1 = none. */
  #shown = -1;
  /** How often it was told to try harder. */
  #effort = 0;
  #timer = 0;
  #isAnswered = false;

  /** It is seen now. */
  open() {
    if (!this.#element.hidden && this.#model && !this.#isAnswered && !this.#inquiry.isAsking) this.#finish();
  }

  leave() {
    clearTimeout(this.#timer);
    this.#inquiry.giveUp();
  }

  /** What is opaque of a picture is given. @param {string} url @param {string} model */
  async give(url, model) {
    const image = await load(url);
    if (!this.#models.some(({ name }) => name === model)) return;
    this.#turnTo(model);
    const { width, height } = this.#pad.ink;
    const brush = pen(blankCanvas(width, height));
    brush.drawImage(image, 0, 0, width, height);
    this.#pad.copy(brush.getImageData(0, 0, width, height));
  }

  /** @param {Model[]} models */
  #suit(models) {
    this.#models = ableTo("draw", models);
    const isReady = (/** @type {Model} */ model) => this.#shared.ask.isReady("complete", model);
    const chosen = bestFor("draw", this.#model && kindOf(this.#model), models, isReady);
    this.#say(
      chosen ? "" : this.#model ? AWAY : NOBODY,
      !chosen || [NOBODY, AWAY].includes(find(this.#element, ".standing").textContent),
    );
    if (chosen && chosen.name !== this.#model?.name) this.#turnTo(chosen.name);
    this.#offer();
    this.open();
  }

  #offer() {
    this.#bars.lay((this.#reader?.labels ?? []).map(({ name }) => name));
    const kinds = firstOfEach(this.#models);
    const chosen = kinds.find((model) => this.#model && kindOf(model) === kindOf(this.#model));
    this.#kinds.offer(kinds, chosen ?? null);
  }

  /** Clean paper of its size. @param {string} name */
  async #turnTo(name) {
    const model = this.#models.find((one) => one.name === name) ?? null;
    const isSame = model?.width === this.#pad.ink.width && model.height === this.#pad.ink.height;
    if (!model || (isSame && this.#model && kindOf(model) === kindOf(this.#model))) return;
    this.#model = model;
    this.#pad.open(model);
    this.#forget();
    this.#offer();
    this.open();
    const examples = await examplesFor(model, model);
    if (this.#model !== model) return;
    const buttons = examples.map(({ name: title, picture }) => {
      const seen = asSeenBy(picture, model);
      const button = el("button", { type: "button", class: "example", title, "aria-label": title }, canvasOf(seen));
      button.addEventListener("click", () => this.#pad.copy(seen));
      return button;
    });
    find(this.#element, ".examples").replaceChildren(...buttons);
  }

  /** What was drawn belongs to other ink. */
  #forget() {
    this.leave();
    this.#isAnswered = false;
    this.#effort = 0;
    this.#shown = -1;
    this.#tiles.stop();
    this.#tiles.paintings = [];
    this.#tiles.clear();
    this.#use.hidden = true;
    this.#harder.hidden = true;
    this.#say("");
    this.#tell("", "");
  }

  /** Which label the strokes look like while the hand is down; what is unknown is black. */
  async #guess() {
    this.#isDrawnOn = true;
    if (this.#isGuessing) return;
    this.#isGuessing = true;
    while (this.#isDrawnOn) {
      this.#isDrawnOn = false;
      const reader = this.#reader;
      const never = new AbortController().signal;
      const found = reader && this.#shared.ask.classifyHere(reader, { picture: this.#pad.picture }, { signal: never });
      const labels = (await found?.catch(() => null))?.labels;
      if (labels && reader === this.#reader) this.#bars.show(labels);
    }
    this.#isGuessing = false;
  }

  /** The model that reads what is drawn in this browser, if there is one. */
  get #reader() {
    const alike = this.#model ? alikes(this.#models, this.#model) : [];
    return alike.find((model) => model.labels.length && this.#shared.ask.isHere("classify", model)) ?? null;
  }

  #finishSoon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#finish(), REST_MS);
  }

  #tryHarder() {
    this.#effort += 1;
    this.#finish();
  }

  /** The rest is drawn, or, where there is none, what is there is judged. */
  #finish() {
    clearTimeout(this.#timer); // one question, also where the view opens while a stroke rests
    const { unknown } = this.#pad;
    const model = this.#modelFor(unknown);
    if (!model) return;
    if (!this.#shared.ask.isReady("complete", model)) return this.#say(t("The model is being made ready…"));
    this.#inquiry.ask(async (signal) => {
      if (unknown.includes(1)) await this.#complete(model, unknown, signal);
      else await this.#judge(model, signal);
      if (!signal.aborted) this.#isAnswered = true;
    });
  }

  /** @param {Uint8Array} unknown */
  #modelFor(unknown) {
    return this.#model && fittest(alikes(this.#models, this.#model), unknown);
  }

  /** @param {Model} model @param {Uint8Array} hole @param {AbortSignal} signal */
  async #complete(model, hole, signal) {
    this.#say(t("The network draws…"));
    const settings = { n: ENDINGS, seed: friendlySeed(), temperature: 1, ...this.#effortOf(model) };
    const drawn = await this.#shared.ask.complete(
      model,
      { picture: this.#pad.picture, hole, ...settings },
      {
        signal,
        onWait: (words) => this.#say(words),
        onJob: (job, given) => this.#tiles.lay(job, given),
        onRow: (row) => this.#tiles.put(row),
        onMean: (mean, sample) => this.#foresee(mean, sample),
      },
    );
    this.#present(drawn, model);
  }

  /** The fog moves while particles work. @param {ImageData} mean @param {number} sample */
  #foresee(mean, sample) {
    this.#tiles.expect(sample, mean);
    this.#pad.expect(mean);
  }

  /** A quick answer first; then as the server does it, then with all that there is room for. @param {Model} model @returns {Record<string, number>} */
  #effortOf({ max_particles: most }) {
    if (!this.#effort) return { sweeps: 0 };
    return this.#effort === 1 ? {} : { particles: Math.min(MOST_PARTICLES, most) };
  }

  /** @param {Drawn} drawn @param {Model} model */
  #present({ job, mean, isHere }, model) {
    this.#tiles.rest();
    this.#use.href = `#complete/${job.id}`;
    this.#use.hidden = isHere;
    this.#show(-1);
    const receipt = receiptOf(job);
    const endings = t("Four endings. Choose one to see it large, or draw on.");
    this.#say(isHere ? `${endings} ${t("Drawn in this browser.")}` : endings);
    if (receipt) this.#tell(chanceOfGiven(receipt, qualityOf(receipt)), quality(receipt));
    this.#tiles.vouch(ownWords(receipt));
    this.#harder.hidden = !receipt || qualityOf(receipt) === "exact" || this.#effort > 1;
    if (mean) this.#pad.expect(mean);
  }

  /** Nothing is left to draw. @param {Model} model @param {AbortSignal} signal */
  async #judge(model, signal) {
    this.#say(t("Asking the model…"));
    const { score } = await this.#shared.ask.score(model, { picture: this.#pad.picture }, { signal });
    this.#say(t("Everything is given. Make something unknown, and it is drawn."));
    this.#tell(chanceOfPicture(score), "");
  }

  /** Large, in place of the fog; once more, and the fog is back. @param {number} sample */
  #show(sample) {
    this.#shown = this.#shown === sample ? -1 : sample;
    this.#pad.show(this.#tiles.paintings[this.#shown]?.whole("final") ?? null);
  }

  /** @param {string} text @param {boolean} [isMeant] */
  #say(text, isMeant = true) {
    if (isMeant) find(this.#element, ".standing").textContent = text;
  }

  /** The sentence on what is given, and how far the endings are to be trusted. @param {string} sentence @param {string} receipt */
  #tell(sentence, receipt) {
    find(this.#element, ".sentence").textContent = sentence;
    find(this.#element, ".receipt").textContent = receipt;
    if (sentence) announce(sentence);
  }
}
