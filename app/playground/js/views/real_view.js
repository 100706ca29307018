/** Real or not: half of twelve characters exist, and the network drew the others a moment ago. */

import { modelsFor } from "../service/choice.js";
import { announce, el, find } from "../parts/dom.js";
import { shuffle, someCharacters } from "../service/examples.js";
import { CurrentQuestion } from "../service/current_question.js";
import { PixelNote } from "../parts/pixel_note.js";
import { kindOf } from "../service/kinds.js";
import { formatFixed, formatNumber, t } from "../lang.js";
import { canvasOf } from "../pixels/raster.js";
import { friendlySeed } from "../service/requests.js";
import { costOfPixel, NO_MODEL } from "../service/words.js";

/** @import {Model, Shared} from "../types" */

/**
 * @typedef {object} Card
 * @property {ImageData} picture
 * @property {string} name of a real one; "" = it was drawn
 * @property {HTMLInputElement} box ticked by whoever thinks that it exists
 * @property {HTMLElement} caption
 * @property {number | null} nats how surprising it is, once that is known
 * @property {number[] | null} bits of each pixel
 */

const HALF = 6;

export class RealView {
  /** @param {HTMLElement} element @param {Shared} shared */
  constructor(element, shared) {
    this.#element = element;
    this.#shared = shared;
    this.#press = find(element, "form button");
    find(element, "form").addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      if (this.#isTurned) this.#begin();
      else this.#turn();
    });
    find(element, ".glyphs").addEventListener("change", () => this.#count());
    this.#question = new CurrentQuestion(
      shared.isOnline,
      (text) => this.#say(this.#isTurned ? `${this.#found} ${text}` : text),
      () => this.open(),
    );
    shared.models.watch((models) => models && this.#suit(models));
  }

  #element;
  #shared;
  #press;
  #question;
  /** @type {Model | null} */
  #model = null;
  /** @type {Card[]} */
  #cards = [];
  #isTurned = false;

  /** It is seen now. */
  open() {
    if (this.#element.hidden || this.#question.isAsking) return;
    if (!this.#cards.length) this.#begin();
    else if (this.#isTurned && this.#cards.some(({ nats }) => nats === null)) this.#weigh();
  }

  leave = () => this.#question.giveUp();

  /** @param {Model[]} models */
  #suit(models) {
    const able = modelsFor("guess", models);
    this.#model = able.find((model) => this.#shared.backend.isReady("sample", model)) ?? able[0] ?? null;
    find(this.#element, ".origin").textContent = this.#model ? kindOf(this.#model) : "";
    if (!this.#cards.length) this.#say(this.#model ? "" : NO_MODEL);
    this.open();
  }

  /** Twelve others. */
  #begin() {
    const model = this.#model;
    if (!model) return;
    if (!this.#shared.backend.isReady("sample", model)) return this.#say(t("The model is being made ready…"));
    this.#say(t("The network draws…"));
    this.#question.ask(async (signal) => {
      const wish = { n: HALF, seed: friendlySeed() };
      const { images } = await this.#shared.backend.sample(model, wish, {
        signal,
        onWait: (words) => this.#say(words),
      });
      const real = await someCharacters(model, HALF);
      if (signal.aborted) return;
      this.#lay(shuffle([...images.map((picture) => ({ picture, name: "" })), ...real]));
    });
  }

  /** @param {{picture: ImageData, name: string}[]} pictures */
  #lay(pictures) {
    this.#isTurned = false;
    this.#cards = pictures.map(({ picture, name }, i) => {
      const box = el("input", { type: "checkbox" });
      box.setAttribute("aria-label", t("Character {number} exists", { number: i + 1 }));
      const caption = el("span", { class: "caption" });
      return { picture, name, box, caption, nats: null, bits: null };
    });
    const glyphs = this.#cards.map((card) => {
      const { picture, box, caption } = card;
      const canvas = canvasOf(picture);
      const glyph = el("div", { class: "glyph" }, el("label", {}, canvas, box, t("exists")), caption);
      new PixelNote(
        canvas,
        () => picture,
        (x, y) => costIn(card, y * picture.width + x),
      );
      return glyph;
    });
    find(this.#element, ".glyphs").replaceChildren(...glyphs);
    find(this.#element, "form").hidden = false;
    this.#press.textContent = t("Turn them over");
    this.#count();
  }

  #count() {
    const ticked = this.#cards.filter(({ box }) => box.checked).length;
    if (!this.#isTurned) this.#say(t("{count} ticked; {half} of them exist.", { count: ticked, half: HALF }));
  }

  /** What each is. */
  #turn() {
    this.#isTurned = true;
    for (const card of this.#cards) show(card);
    this.#press.textContent = t("Twelve others");
    announce(this.#found);
    this.#weigh();
  }

  get #found() {
    const facts = { count: formatNumber(this.#cards.filter(isRight).length), all: formatNumber(this.#cards.length) };
    return t("You were right about {count} of {all}.", facts);
  }

  /** How surprising the network finds each. */
  #weigh() {
    const [model, cards] = [this.#model, this.#cards];
    this.#say(this.#found);
    if (!model) return;
    this.#question.ask(async (signal) => {
      await Promise.all(cards.map((card) => this.#measure(model, card, signal)));
      if (!signal.aborted) this.#say(`${this.#found} ${verdict(cards)}`);
    });
  }

  /** @param {Model} model @param {Card} card @param {AbortSignal} signal */
  async #measure(model, card, signal) {
    if (card.nats !== null) return;
    const { score, map } = await this.#shared.backend.scoreMap(model, card, { signal });
    card.nats = score.nats;
    card.bits = map && map.bits.flat().map(([cost]) => cost);
    show(card);
  }

  /** @param {string} text */
  #say(text) {
    find(this.#element, ".standing").textContent = text;
  }
}

/** @param {Card} card */
function isRight({ name, box }) {
  return box.checked === Boolean(name);
}

/** What a pixel of it cost, once it is turned over and that is known. @param {Card} card @param {number} at */
function costIn({ picture, bits }, at) {
  return bits ? costOfPixel(bits[at], picture.data[4 * at] > 127) : "";
}

/** Its other side. @param {Card} card */
function show(card) {
  const { name, box, caption, nats } = card;
  box.disabled = true;
  const code = `U+${name.codePointAt(0)?.toString(16).toUpperCase()}`;
  const what = name ? t("Exists: {code}", { code }) : t("Drawn just now");
  const surprise = nats === null ? "…" : t("{bits} bits", { bits: formatFixed(nats / Math.LN2, 1) });
  const mark = isRight(card) ? t("You were right.") : t("You were wrong.");
  caption.replaceChildren(el("strong", { title: name }, what), el("br"), surprise, el("br"), mark);
  caption.parentElement?.setAttribute("data-right", String(isRight(card)));
}

/** Can surprise tell them apart? @param {Card[]} cards */
function verdict(cards) {
  const mean = (/** @type {Card[]} */ some) =>
    some.reduce((sum, { nats }) => sum + (nats ?? 0), 0) / Math.LN2 / some.length;
  const real = cards.filter(({ name }) => name);
  const least = [...cards].sort((a, b) => (a.nats ?? 0) - (b.nats ?? 0)).slice(0, real.length);
  const found = 2 * least.filter(({ name }) => name).length;
  const facts = {
    real: formatFixed(mean(real), 1),
    drawn: formatFixed(mean(cards.filter(({ name }) => !name)), 1),
    count: formatNumber(found),
    all: formatNumber(cards.length),
  };
  return t(
    "On average the real ones surprise the network by {real} bits, its own by {drawn}. To guess that the less surprising half is real is right about {count} of {all}.",
    facts,
  );
}
