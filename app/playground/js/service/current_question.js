/** What a view asks the service, one question at a time: the one before is given up, and so is the last when nobody looks. */

import { explain, Unreachable } from "./problems.js";
import { LatestRequest } from "../signal.js";

/** @import {Signal} from "../signal.js" */

export class CurrentQuestion {
  /**
   * @param {Signal<boolean>} isOnline
   * @param {(text: string) => void} onTrouble told what went wrong
   * @param {() => void} onBack called when the server is back that did not answer
   */
  constructor(isOnline, onTrouble, onBack) {
    this.#onTrouble = onTrouble;
    isOnline.watch((isBack) => isBack && this.#isCutOff && onBack());
  }

  isAsking = false;

  #onTrouble;
  #isCutOff = false;
  #latest = new LatestRequest();

  /** @param {(signal: AbortSignal) => Promise<unknown>} question that minds the signal: then nobody wants the answer */
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

  giveUp() {
    this.#latest.start();
    this.isAsking = false;
  }
}
