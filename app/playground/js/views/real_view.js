/**
 * The view "Real or not": half of twelve characters exist, and the network has just
 * drawn the others.
 */

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
 * One character.
 *
 * @typedef {object} Card
 * @property {ImageData} picture
 * @property {string} name - The character if it is real; "" if it was drawn.
 * @property {HTMLInputElement} box - Ticked if the reader thinks that it exists.
 * @property {HTMLElement} caption
 * @property {number | null} nats - Its surprise; null until it is known.
 * @property {number[] | null} bits - Bits of each pixel; null until they are known.
 */

/** Real characters, and drawn ones. */
const HALF = 6;

/**
 * The view at #real. rooms.js makes one when the view is first opened.
 *
 * `open()` shows twelve characters and requests what is missing; `leave()` cancels what
 * is requested. Errors are shown as sentences.
 */
export class RealView {
  /**
   * @param {HTMLElement} element - Section of the view.
   * @param {Shared} shared - State and services of the page.
   */
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
  /** Model that drew the cards. @type {Model | null} */
  #drawer = null;
  #isTurned = false;

  /** Show the view. */
  open() {
    if (this.#element.hidden || this.#question.isAsking) return;
    if (!this.#cards.length) this.#begin();
    // What is known already is not requested again, but its sentence is shown again: the
    // view may have been left while others were drawn.
    else if (this.#isTurned) this.#weigh();
  }

  leave = () => this.#question.giveUp();

  /**
   * Choose among the models that are loaded now.
   *
   * @param {Model[]} models
   */
  #suit(models) {
    const able = modelsFor("guess", models);
    this.#model = able.find((model) => this.#shared.backend.isReady("sample", model)) ?? able[0] ?? null;
    find(this.#element, ".origin").textContent = this.#model ? kindOf(this.#model) : "";
    if (!this.#cards.length) this.#say(this.#model ? "" : NO_MODEL);
    this.open();
  }

  /** Draw and choose twelve new characters. */
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
      this.#drawer = model;
      this.#lay(shuffle([...images.map((picture) => ({ picture, name: "" })), ...real]));
    });
  }

  /**
   * Show the characters.
   *
   * @param {{picture: ImageData, name: string}[]} pictures
   */
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

  /** Show how many are ticked. */
  #count() {
    const ticked = this.#cards.filter(({ box }) => box.checked).length;
    if (!this.#isTurned) this.#say(t("{count} ticked; {half} of them exist.", { count: ticked, half: HALF }));
  }

  /** Turn the characters over: show which exist. */
  #turn() {
    this.#isTurned = true;
    for (const card of this.#cards) show(card);
    this.#press.textContent = t("Twelve others");
    announce(this.#found);
    this.#weigh();
  }

  /** Return how many answers were right, in words. */
  get #found() {
    const facts = { count: formatNumber(this.#cards.filter(isRight).length), all: formatNumber(this.#cards.length) };
    return t("You were right about {count} of {all}.", facts);
  }

  /** Request the surprise of each character. */
  #weigh() {
    // A better model may have been loaded since; the cards were not drawn by it.
    const [model, cards] = [this.#drawer, this.#cards];
    this.#say(this.#found);
    if (!model) return;
    this.#question.ask(async (signal) => {
      await Promise.all(cards.map((card) => this.#measure(model, card, signal)));
      if (!signal.aborted) this.#say(`${this.#found} ${verdict(cards)}`);
    });
  }

  /**
   * Score one character and show its surprise.
   *
   * @param {Model} model
   * @param {Card} card
   * @param {AbortSignal} signal
   */
  async #measure(model, card, signal) {
    if (card.nats !== null) return;
    const { score, map } = await this.#shared.backend.scoreMap(model, card, { signal });
    card.nats = score.nats;
    card.bits = map && map.bits.flat().map(([cost]) => cost);
    show(card);
  }

  /**
   * Show a sentence.
   *
   * @param {string} text
   */
  #say(text) {
    find(this.#element, ".standing").textContent = text;
  }
}

/**
 * Return true if the reader's answer about a character is right.
 *
 * @param {Card} card
 */
function isRight({ name, box }) {
  return box.checked === Boolean(name);
}

/**
 * Return what a pixel of a character cost, in words; "" until it is known.
 *
 * @param {Card} card
 * @param {number} at
 */
function costIn({ picture, bits }, at) {
  return bits ? costOfPixel(bits[at], picture.data[4 * at] > 127) : "";
}

/**
 * Show what a character is.
 *
 * @param {Card} card
 */
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

/**
 * Return whether surprise tells real and drawn characters apart, in words.
 *
 * @param {Card[]} cards
 */
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
