/** The view "Real or not": half of twelve characters exist, the network invented the others. */

import { modelsFor } from "../service/choice.js";
import { announce, el, find } from "../parts/dom.js";
import { modelNamedIn, offerSets, setOf } from "../parts/sets.js";
import { shuffle, someCharacters } from "../service/examples.js";
import { CurrentQuestion } from "../service/current_question.js";
import { PixelNote } from "../parts/pixel_note.js";
import { formatFixed, t } from "../lang.js";
import { canvasOf } from "../pixels/raster.js";
import { costOfPixel, NO_MODEL } from "../service/words.js";

/** @import {Model, Shared} from "../types" */

/**
 * One character.
 *
 * @typedef {object} Card
 * @property {ImageData} picture
 * @property {string} name - The character if it is real; "" if it was drawn.
 * @property {HTMLInputElement} box - Ticked if the reader thinks that it was invented.
 * @property {HTMLElement} caption
 * @property {number | null} nats - Its surprise; null until it is known.
 * @property {number[] | null} bits - Bits of each pixel; null until they are known.
 */

/** Real characters, and invented ones. */
const HALF = 6;

/** Twelve characters. The address names the set; without a name it is a random one. */
export class RealView {
  /**
   * @param {HTMLElement} element
   * @param {Shared} shared
   */
  constructor(element, shared) {
    this.#element = element;
    this.#shared = shared;
    this.#press = find(element, "form button");
    find(element, "form").addEventListener("submit", (/** @type {Event} */ event) => {
      event.preventDefault();
      this.#turn();
    });
    find(element, ".glyphs").addEventListener("change", () => this.#count());
    offerSets(element, shared, "real", "", () => this.#result);
    this.#question = new CurrentQuestion(
      shared.isOnline,
      (text) => this.#say(this.#isTurned ? `${this.#found} ${text}` : text),
      () => this.open(this.#place),
    );
    shared.models.watch((models) => models && this.#suit(models));
  }

  #element;
  #shared;
  #press;
  #question;
  /** @type {Model[]} */
  #models = [];
  /** Set that the address names, as a query; "" for none. */
  #place = "";
  /** @type {Card[]} */
  #cards = [];
  /** Model that drew the cards, their seed, and how many a friend found. @type {{model: Model, seed: number, friend: number | null} | null} */
  #set = null;
  #isTurned = false;

  /**
   * Show the view.
   *
   * @param {string} [place] - Set to show, as a query with seed, model and found.
   *     Default: a random one.
   */
  open(place = "") {
    const isNew = place !== this.#place;
    this.#place = place;
    if (this.#element.hidden || (!isNew && this.#question.isAsking)) return;
    if (isNew || !this.#cards.length) this.#begin();
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
    this.#models = modelsFor("guess", models);
    if (!this.#cards.length) this.#say(this.#model ? "" : NO_MODEL);
    this.open(this.#place);
  }

  /** Return the model that the address names, else one that is ready, else any or null. */
  get #model() {
    const ready = this.#models.find((model) => this.#shared.backend.isReady("sample", model));
    return modelNamedIn(this.#place, this.#models) ?? ready ?? this.#models[0] ?? null;
  }

  /** Draw and choose twelve characters. */
  #begin() {
    const model = this.#model;
    this.#cards = [];
    find(this.#element, "form").hidden = true;
    find(this.#element, ".afterwards").hidden = true;
    if (!model) return;
    if (!this.#shared.backend.isReady("sample", model)) return this.#say(t("The model is being made ready…"));
    const { seed, friend } = setOf(this.#place, model, "found");
    this.#say(t("The network draws…"));
    this.#question.ask(async (signal) => {
      const wish = { n: HALF, seed };
      const { images } = await this.#shared.backend.sample(model, wish, {
        signal,
        onWait: (words) => this.#say(words),
      });
      const real = await someCharacters(model, HALF, seed);
      if (signal.aborted) return;
      this.#set = { model, seed, friend };
      this.#lay(shuffle([...images.map((picture) => ({ picture, name: "" })), ...real], seed));
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
      box.setAttribute("aria-label", t("Character {number} does not exist", { number: i + 1 }));
      const caption = el("span", { class: "caption" });
      return { picture, name, box, caption, nats: null, bits: null };
    });
    const glyphs = this.#cards.map((card) => {
      const { picture, box, caption } = card;
      const canvas = canvasOf(picture);
      const glyph = el("div", { class: "glyph" }, el("label", {}, canvas, box, t("invented")), caption);
      new PixelNote(
        canvas,
        () => picture,
        (x, y) => costIn(card, y * picture.width + x),
      );
      return glyph;
    });
    find(this.#element, ".glyphs").replaceChildren(...glyphs);
    find(this.#element, "form").hidden = false;
    this.#press.hidden = false;
    find(this.#element, "[data-act=result]").textContent = t("Copy result and link");
    this.#count();
  }

  #count() {
    if (this.#isTurned) return;
    const count = this.#cards.filter(({ box }) => box.checked).length;
    this.#press.disabled = count !== HALF;
    this.#say(`${t("{count} of {half} ticked.", { count, half: HALF })} ${this.#rival}`);
  }

  /** Turn the characters over: show which exist. */
  #turn() {
    this.#isTurned = true;
    for (const card of this.#cards) show(card);
    this.#press.hidden = true;
    find(this.#element, ".afterwards").hidden = false;
    find(this.#element, "[data-act=again]").focus();
    announce(this.#found);
    this.#weigh();
  }

  /** Return how many a friend found at the same characters, in words; "" if nobody did. */
  get #rival() {
    const count = this.#set?.friend ?? null;
    return count === null ? "" : t("A friend found {count} of {half}.", { count, half: HALF });
  }

  /** Return how many of the invented ones were found, in words. */
  get #found() {
    const facts = { count: this.#cards.filter(isFound).length, half: HALF };
    return `${t("You found {count} of {half}.", facts)} ${this.#rival}`.trim();
  }

  /** Return the result, to be sent to a friend; null before there is one. */
  get #result() {
    if (!this.#set || !this.#isTurned) return null;
    const found = this.#cards.filter(isFound).length;
    const words = t("{count} of {half} invented characters found", { count: found, half: HALF });
    return { ...this.#set, facts: { found: String(found) }, marks: this.#cards.map(isRight), words };
  }

  /** Request the surprise of each character. */
  #weigh() {
    // A better model may have been loaded since; the cards were not drawn by it.
    const [model, cards] = [this.#set?.model, this.#cards];
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
  return box.checked === !name;
}

/**
 * Return true if a character was invented and the reader saw it.
 *
 * @param {Card} card
 */
function isFound(card) {
  return !card.name && isRight(card);
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
  const what = name ? t("Exists: {code}", { code }) : t("Invented");
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
  const facts = {
    real: formatFixed(mean(real), 1),
    drawn: formatFixed(mean(cards.filter(({ name }) => !name)), 1),
    count: least.filter(({ name }) => name).length,
    half: HALF,
  };
  return t(
    "On average the real ones surprise the network by {real} bits, its own by {drawn}. Whoever takes the more surprising half for invented finds {count} of {half}.",
    facts,
  );
}
