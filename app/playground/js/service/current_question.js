/** One question of a view at a time. */

import { explain, Unreachable } from "./problems.js";
import { LatestRequest } from "../signal.js";

/** @import {Signal} from "../signal.js" */

/** Runs the questions of a view to the backend, one at a time. */
export class CurrentQuestion {
  /**
   * @param {Signal<boolean>} isOnline - Whether the server answers.
   * @param {(text: string) => void} onTrouble - Called with a sentence if a question
   *     fails.
   * @param {() => void} onBack - Called when the server is back, if the last question
   *     failed because it did not answer.
   */
  constructor(isOnline, onTrouble, onBack) {
    this.#onTrouble = onTrouble;
    isOnline.watch((isBack) => isBack && this.#isCutOff && onBack());
  }

  isAsking = false;

  #onTrouble;
  #isCutOff = false;
  #latest = new LatestRequest();

  /**
   * Run a question. Its errors are reported to `onTrouble` and not raised.
   *
   * @param {(signal: AbortSignal) => Promise<unknown>} question - Called with a signal
   *     that is aborted when the answer is no longer wanted.
   */
  async ask(question) {
    const signal = this.#latest.start();
    this.isAsking = true;
    this.#isCutOff = false;
    try {
      await question(signal);
    } catch (error) {
      if (signal.aborted) return;
      this.#isCutOff = error instanceof Unreachable;
      this.#onTrouble(explain(error).text);
    } finally {
      if (!signal.aborted) this.isAsking = false;
    }
  }

  /** Abort the question that runs, if there is one. */
  giveUp() {
    this.#latest.start();
    this.isAsking = false;
  }
}
