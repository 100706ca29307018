/** The page as a folder of files, or as one file: its models stand in a list, this browser draws, and there is no service to be asked. */

import { embeddedJson } from "../files.js";
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
    this.#list ??= this.#listed().catch(() => {
      this.#list = null; // it may be read later
      throw new Unreachable();
    });
    return this.#list;
  }

  async #listed() {
    const path = `${this.#models}index.json`;
    return embeddedJson(path) ?? (await fetch(path)).json();
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
