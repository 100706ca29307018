/**
 * Keep texts in the browser for the page.
 *
 * If the browser keeps nothing or is full, the texts live until the page is closed.
 * Nothing here raises an error.
 */

/** Texts by key in one of the browser's storages. */
class Store {
  /** @param {() => Storage} open */
  constructor(open) {
    try {
      this.#storage = open();
    } catch {
      // The person or a policy may block the storage.
      this.#storage = null;
    }
  }

  #storage;
  /** Texts that the browser did not take. @type {Map<string, string>} */
  #rest = new Map();

  /**
   * Return the text of a key, or null.
   *
   * @param {string} key
   * @returns {string | null}
   */
  get(key) {
    try {
      return this.#rest.get(key) ?? this.#storage?.getItem(key) ?? null;
    } catch {
      return null;
    }
  }

  /**
   * Keep a text under a key; return false if the storage is full, so that a shorter
   * text may fit.
   *
   * @param {string} key
   * @param {string} text
   */
  set(key, text) {
    try {
      this.#storage?.setItem(key, text);
      if (this.#storage) {
        this.#rest.delete(key);
        return true;
      }
    } catch {
      this.#rest.set(key, text);
      return false;
    }
    this.#rest.set(key, text);
    return true;
  }
}

/** Texts that stay until the person deletes the site's data. */
export const lasting = new Store(() => localStorage);
/** Texts that stay until the tab is closed. */
export const passing = new Store(() => sessionStorage);
