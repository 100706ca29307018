/** State that several parts of the page show: one copy, and everybody is told when it changes. Knows no element. */

/** @template T */
export class Signal {
  /** @param {T} value */
  constructor(value) {
    this.#value = value;
  }

  #value;
  /** @type {((value: T) => void)[]} */
  #watchers = [];

  get value() {
    return this.#value;
  }

  set value(value) {
    this.#value = value;
    for (const watcher of this.#watchers) watcher(value);
  }

  /** Called now, and whenever it is set. @param {(value: T) => void} watcher */
  watch(watcher) {
    this.#watchers.push(watcher);
    watcher(this.#value);
  }

  /**
   * Return its value as soon as it has one that is not null.
   *
   * @returns {Promise<NonNullable<T>>}
   */
  first() {
    return new Promise((resolve) => {
      const watcher = (/** @type {T} */ value) => {
        if (value === null || value === undefined) return;
        this.#watchers = this.#watchers.filter((other) => other !== watcher);
        resolve(value);
      };
      this.watch(watcher);
    });
  }
}

/** A question of which only the last answer counts: whoever asks again, or no longer wants to know, ends the one before. */
export class LatestRequest {
  #controller = new AbortController();

  /** @returns {AbortSignal} aborted as soon as the answer is unwanted */
  start() {
    this.#controller.abort();
    this.#controller = new AbortController();
    return this.#controller.signal;
  }
}
