/**
 * Values that several parts of the page share, and questions of which only the last
 * answer counts. Knows no element.
 */

/**
 * A value with listeners: one copy of a state that several parts of the page show.
 * Setting `value` calls all listeners in the order in which they were added, also if the
 * value is the same.
 *
 * @template T
 */
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

  /**
   * Call a listener now and whenever the value is set.
   *
   * @param {(value: T) => void} watcher
   */
  watch(watcher) {
    this.#watchers.push(watcher);
    watcher(this.#value);
  }

  /**
   * Return a promise of the first value that is neither null nor undefined; the present
   * one counts.
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

/**
 * Cancels a request when a newer one starts, so that only the last answer is shown.
 *
 * Make one for each place that shows answers. `start()` aborts the signal of the
 * request before and returns a new AbortSignal for the next one. To cancel without a
 * successor, call it and ignore the result.
 */
export class LatestRequest {
  #controller = new AbortController();

  /**
   * Abort the request before, and return the signal of the next one.
   *
   * @returns {AbortSignal}
   */
  start() {
    this.#controller.abort();
    this.#controller = new AbortController();
    return this.#controller.signal;
  }
}
