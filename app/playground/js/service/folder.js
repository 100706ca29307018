/** The page as a folder of files: its models stand in a list, this browser draws, and there is no service to be asked. */

import { Api } from "./api.js";
import { Unreachable } from "./problems.js";

/** @import {Info, Model} from "../types" */

export class Folder extends Api {
  /** @param {string} models where they are, beside the page */
  constructor(models) {
    super();
    this.#models = models;
  }

  hasService = false;

  #models;
  /** @type {Promise<Model[]> | null} */
  #list = null;

  /** @returns {Promise<Model[]>} */
  models() {
    this.#list ??= fetch(`${this.#models}index.json`)
      .then((answer) => answer.json())
      .catch(() => {
        this.#list = null; // it may be read later
        throw new Unreachable();
      });
    return this.#list;
  }

  /** @returns {Promise<Info>} */
  async info() {
    return /** @type {any} */ ({ portable: true });
  }

  /** @param {string} name */
  async portable(name) {
    const { digest, identity = null } = (await this.models()).find((model) => model.name === name) ?? { digest: "" };
    return { digest, identity, engine: "engine/", model: `${this.#models}${encodeURIComponent(name)}/` };
  }

  /** @returns {Promise<never>} */
  async send() {
    throw new Unreachable();
  }
}
