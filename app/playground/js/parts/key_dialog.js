/** Asks for the key of a server that wants one. */

import { find } from "./dom.js";

export class KeyDialog {
  #dialog = /** @type {HTMLDialogElement} */ (find(document, "#key"));
  /** @type {Promise<string> | null} */
  #asked = null;

  /** One question at a time, however many wait for the answer. @returns {Promise<string>} "" = none */
  ask() {
    this.#asked ??= new Promise((resolve) => {
      const input = find(this.#dialog, "input");
      input.value = "";
      this.#dialog.addEventListener(
        "close",
        () => {
          this.#asked = null;
          resolve(this.#dialog.returnValue === "use" ? input.value.trim() : "");
        },
        { once: true },
      );
      this.#dialog.returnValue = "";
      this.#dialog.showModal();
    });
    return this.#asked;
  }
}
