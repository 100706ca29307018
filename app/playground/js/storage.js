/** What the browser keeps for the page. Where it keeps nothing, or is full, this tab remembers. Never throws. */

class Store {
  /** @param {() => Storage} open */
  constructor(open) {
    try {
      this.#storage = open();
    } catch {
      this.#storage = null; // the person or a policy has blocked it
    }
  }

  #storage;
  /** What there was no room for. @type {Map<string, string>} */
  #rest = new Map();

  /** @param {string} key @returns {string | null} */
  get(key) {
    try {
      return this.#rest.get(key) ?? this.#storage?.getItem(key) ?? null;
    } catch {
      return null;
    }
  }

  /** @param {string} key @param {string} text @returns {boolean} false where less text would find room */
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

/** Until the person clears it. */
export const lasting = new Store(() => localStorage);
/** Until the tab is closed. */
export const passing = new Store(() => sessionStorage);
