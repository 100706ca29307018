/** The view "How likely is white?": how close the reader comes to the network's chances. */

import { Bet, ROUNDS } from "../service/bet.js";
import { modelsFor } from "../service/choice.js";
import { announce, el, find } from "../parts/dom.js";
import { modelNamedIn, offerSets, setOf } from "../parts/sets.js";
import { CurrentQuestion } from "../service/current_question.js";
import { kindOf } from "../service/kinds.js";
import { formatFixed, t } from "../lang.js";
import { DrawingCanvas } from "../parts/drawing_canvas.js";
import { NO_MODEL, sureness } from "../service/words.js";
import { drawPicture } from "../service/drawing.js";

/** @import {Model, Shared} from "../types" */
/** @import {Drawing} from "../service/drawing.js" */

/** Pixels a second between two bets. */
const RATE = 260;
/** Bets of the day's game, which is the same for everybody. */
const OF_A_DAY = 10;
const CLOSE = t("Within ten points of the network");
const FAR = t("More than ten points away from the network");
const STILL = "(prefers-reduced-motion: reduce)";

/**
 * A game of bets on the pixels of one picture. The address names it; without a name it
 * is a random one.
 */
export class BetView {
  /**
   * @param {HTMLElement} element
   * @param {Shared} shared
   */
  constructor(element, shared) {
    this.#element = element;
    this.#shared = shared;
    this.#canvas = new DrawingCanvas(/** @type {HTMLCanvasElement} */ (find(element, "canvas")));
    this.#slider = find(element, "input[type=range]");
    this.#slider.addEventListener("input", () => this.#lean());
    this.#slider.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      if (event.key !== "Enter") return;
      // Not every browser submits the form on Enter in a slider.
      event.preventDefault();
      find(element, "form").requestSubmit();
    });
    find(element, "form").addEventListener("submit", (/** @type {Event} */ event) => this.#press(event));
    offerSets(element, shared, "bet", `&of=${OF_A_DAY}`, () => this.#result);
    this.#question = new CurrentQuestion(
      shared.isOnline,
      (text) => this.#say(text),
      () => this.open(this.#place),
    );
    shared.models.watch((models) => models && this.#suit(models));
  }

  #element;
  #shared;
  #canvas;
  #slider;
  #question;
  /** @type {Model[]} */
  #models = [];
  /** Game that the address names, as a query; "" for none. */
  #place = "";
  /** @type {{model: Model, seed: number, friend: number | null, drawing: Drawing, bet: Bet} | null} */
  #game = null;
  /** Whether the present bet is settled, so that the button goes on to the next. */
  #isPaid = false;
  #at = 0;
  #frame = 0;

  /**
   * Show the view.
   *
   * @param {string} [place] - Game to play, as a query with seed, of, away and model.
   *     Default: a random one.
   */
  open(place = "") {
    const isNew = place !== this.#place;
    this.#place = place;
    if (this.#element.hidden) return;
    if (!isNew && this.#game) return this.#resume();
    if (!isNew && this.#question.isAsking) return;
    const of = Number(new URLSearchParams(place).get("of"));
    this.#begin(Number.isInteger(of) && of > 0 ? Math.min(ROUNDS, of) : ROUNDS);
  }

  leave() {
    this.#question.giveUp();
    cancelAnimationFrame(this.#frame);
  }

  /** Draw on up to the pixel of the bet if the view was left before it was reached. */
  #resume() {
    if (!this.#isPaid || !this.#game?.bet.next) this.#go();
  }

  /**
   * Choose among the models that are loaded now.
   *
   * @param {Model[]} models
   */
  #suit(models) {
    this.#models = modelsFor("bet", models);
    if (!this.#game) this.#say(this.#models.length ? "" : NO_MODEL);
    if (!this.#game && !this.#question.isAsking) this.open(this.#place);
  }

  /**
   * Return the model that the address names, else the best one for digits, as every
   * address of the day's game has always meant, else any or null.
   */
  get #model() {
    const named = modelNamedIn(this.#place, this.#models);
    return named ?? this.#models.find((model) => kindOf(model) === t("Digits")) ?? this.#models[0] ?? null;
  }

  /**
   * Draw the picture of the address and start a game.
   *
   * @param {number} most - Number of bets, at most.
   */
  #begin(most) {
    const model = this.#model;
    if (!model) return;
    if (!this.#shared.backend.isReady("scoreMap", model)) return this.#say(t("The model is being made ready…"));
    this.#game = null;
    const { seed, friend } = setOf(this.#place, model, "away");
    this.#say(t("Asking the model…"));
    this.#question.ask(async (signal) => {
      const drawing = await drawPicture(
        this.#shared.backend,
        model,
        { signal, onWait: (words) => this.#say(words) },
        seed,
      );
      if (signal.aborted) return;
      const bet = new Bet(drawing, most);
      this.#game = { model, seed, friend, drawing, bet };
      this.#at = 0;
      this.#isPaid = false;
      const facts = { points: formatFixed(friend ?? 0, 1), count: bet.rounds.length };
      this.#say(friend === null ? "" : t("A friend was {points} points away at these {count} pixels. Go.", facts));
      this.#go();
    });
  }

  /** Draw up to the pixel of the next bet, or to the end. */
  #go() {
    if (!this.#game) return;
    const { bet, drawing } = this.#game;
    const { width, height } = drawing.picture;
    const until = bet.next?.at ?? width * height;
    let before = performance.now();
    let due = this.#at;
    cancelAnimationFrame(this.#frame);
    const step = (/** @type {number} */ now) => {
      // The time of a frame may lie before its request, so the difference may be negative.
      due += matchMedia(STILL).matches ? until : (RATE * Math.max(0, now - before)) / 1000;
      before = now;
      this.#at = Math.min(until, Math.floor(due));
      this.#canvas.paint(drawing, this.#at, null, true, false);
      if (this.#at < until) this.#frame = requestAnimationFrame(step);
    };
    this.#show();
    this.#frame = requestAnimationFrame(step);
  }

  /**
   * Settle the bet, or go on to the next one.
   *
   * @param {Event} event
   */
  #press(event) {
    event.preventDefault();
    const bet = this.#game?.bet;
    if (!bet?.next) return;
    if (this.#isPaid) {
      this.#isPaid = false;
      this.#slider.value = "50";
      this.#go();
      this.#slider.focus();
      return;
    }
    this.#pay(bet);
    find(this.#element, bet.next ? "form button" : "[data-act=again]").focus();
  }

  /**
   * Settle the bet and show how far the reader was away.
   *
   * @param {Bet} bet
   */
  #pay(bet) {
    const game = this.#game;
    if (!game || !bet.next) return;
    const { chance, at, isWhite } = bet.next;
    bet.settle(Number(this.#slider.value) / 100);
    this.#isPaid = true;
    this.#at = at + 1;
    this.#canvas.paint(game.drawing, this.#at, null, true, false);
    const points = formatFixed(100 * bet.distances[bet.distances.length - 1], 0);
    const facts = { points, percent: formatFixed(100 * chance, 0), words: sureness(chance) };
    this.#tell(
      isWhite
        ? t("It had said {percent}%, {words}: you were {points} points away. It is white.", facts)
        : t("It had said {percent}%, {words}: you were {points} points away. It is black.", facts),
    );
    this.#bar(".theirs", chance);
    if (!bet.next) this.#finish(bet);
    this.#show();
  }

  /** @param {Bet} bet */
  #finish({ away, marks }) {
    const facts = { points: formatFixed(away, 1), count: marks.filter(Boolean).length, all: marks.length };
    const result = t(
      "On average you were {points} points away from the network, and within ten points at {count} of {all} pixels.",
      facts,
    );
    const friend = this.#game?.friend ?? null;
    const theirs =
      friend === null ? "" : t("Your friend was {points} points away.", { points: formatFixed(friend, 1) });
    this.#tell(`${result} ${theirs}`.trim());
    this.#go();
  }

  /** Show the form, the distance and the buttons that make sense now. */
  #show() {
    const bet = this.#game?.bet;
    const isOver = !bet?.next;
    const form = find(this.#element, "form");
    form.hidden = !bet || (isOver && !this.#isPaid);
    find(form, "button").hidden = isOver;
    this.#slider.disabled = this.#isPaid;
    find(form, "button").textContent = this.#isPaid ? t("Go on") : t("That is my guess");
    find(this.#element, ".theirs").hidden = !this.#isPaid;
    find(this.#element, ".afterwards").hidden = !bet || !isOver;
    find(this.#element, ".bills").hidden = !bet?.distances.length;
    this.#showMarks(bet);
    if (!bet) return;
    if (!this.#isPaid && bet.next) {
      this.#tell(
        t("Pixel {number} of {all}: how likely is white where it glows?", {
          number: bet.distances.length + 1,
          all: bet.rounds.length,
        }),
      );
    }
    find(this.#element, "[data-away]").textContent = t("{points} points", { points: formatFixed(bet.away, 1) });
    this.#lean();
  }

  /**
   * Show a mark for each bet that is settled.
   *
   * @param {Bet | undefined} bet
   */
  #showMarks(bet) {
    const row = find(this.#element, ".marks");
    row.hidden = !bet?.marks.length;
    row.replaceChildren(
      ...(bet?.marks ?? []).map((isClose) => el("span", { "data-good": isClose, title: isClose ? CLOSE : FAR })),
    );
  }

  /** Show the probability that the slider names. */
  #lean() {
    const share = Number(this.#slider.value);
    const words = t("{percent}%: {words}", { percent: share, words: sureness(share / 100) });
    find(this.#element, "output").value = words;
    this.#slider.setAttribute("aria-valuetext", words);
    this.#bar(".own", share / 100);
  }

  /**
   * @param {string} which
   * @param {number} share
   */
  #bar(which, share) {
    find(this.#element, `${which} .chance span`).style.width = `${100 * share}%`;
  }

  /** Return the result of the game, to be sent to a friend; null without a game. */
  get #result() {
    if (!this.#game) return null;
    const { bet, seed, model, drawing } = this.#game;
    const [, job = ""] = drawing.address.split("/");
    const facts = { of: String(bet.rounds.length), away: bet.away.toFixed(1), job };
    const words = t("{points} points away from the network", { points: formatFixed(bet.away, 1) });
    return { model, seed, facts, marks: bet.marks, words };
  }

  /**
   * Show the question, or the result of a bet.
   *
   * @param {string} text
   */
  #tell(text) {
    find(this.#element, ".question").textContent = text;
  }

  /**
   * Show a sentence while there is no game.
   *
   * @param {string} text
   */
  #say(text) {
    find(this.#element, ".standing").textContent = text;
    if (text) this.#tell("");
    const model = this.#game?.model ?? this.#model;
    find(this.#element, ".origin").textContent = model ? kindOf(model) : "";
    find(this.#element, "[data-act=result]").textContent = t("Copy result and link");
    this.#show();
    if (text && !this.#element.hidden) announce(text);
  }
}
