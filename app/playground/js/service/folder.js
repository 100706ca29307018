/**
 * The page as a folder of files or as one file: its models are in a list, this browser
 * draws, and there is no service.
 */

import { embeddedJson } from "../files.js";
import { Api } from "./api.js";
import { Unreachable } from "./problems.js";

/** @import {Info, Model} from "../types" */

/**
 * Takes the place of `Api` in an exported page, which has no service.
 *
 * `models` and `portable` raise Unreachable if the list cannot be fetched; every call
 * that is not replaced here raises it always.
 */
export class Folder extends Api {
  /**
   * @param {string} models - Address of the folder with the models, relative to the
   *     page, with a slash at the end.
   */
  constructor(models) {
    super();
    this.#models = models;
  }

  hasService = false;

  #models;
  /** @type {Promise<Model[]> | null} */
  #list = null;

  /**
   * Return the models of the folder. The list is fetched once.
   *
   * @returns {Promise<Model[]>}
   */
  models() {
    this.#list ??= this.#listed().catch(() => {
      // The next attempt may succeed.
      this.#list = null;
      throw new Unreachable();
    });
    return this.#list;
  }

  /** Fetch the list of models, or read it from the page. */
  async #listed() {
    const path = `${this.#models}index.json`;
    return embeddedJson(path) ?? (await fetch(path)).json();
  }

  /**
   * Return what the page needs to know of a service: that this browser draws.
   *
   * @returns {Promise<Info>}
   */
  async info() {
    return /** @type {any} */ ({ portable: true });
  }

  /** @param {string} name */
  async portable(name) {
    const { digest, identity = null } = (await this.models()).find((model) => model.name === name) ?? { digest: "" };
    return { digest, identity, engine: "engine/", model: `${this.#models}${encodeURIComponent(name)}/` };
  }

  /**
   * Raise Unreachable: there is no service.
   *
   * @returns {Promise<never>}
   */
  async send() {
    throw new Unreachable();
  }
}
