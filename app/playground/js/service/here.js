/** Drawing in this browser, by the service's own engine and weights: the same bytes. Knows no element. */

/** @import {Job, RowEvent, Shared} from "../types" */

/** @typedef {import("../../../../engine/types").Portable} Portable */

const ARITHMETIC = "cpu-compiled";

export class Here {
  /** @param {Shared} shared */
  constructor(shared) {
    this.#shared = shared;
  }

  #shared;

  /** Whether a job can be drawn here: new images of one scale can, which the service draws on processors. @param {Job} job */
  can({ kind, small_height: hasSmall, model, numerics }) {
    const { info, models } = this.#shared;
    const holders = models.value?.find(({ name }) => name === model)?.loaded_on ?? [];
    const isOurs = numerics ? numerics === ARITHMETIC : holders.every(({ device }) => device === "cpu");
    return kind === "sample" && !hasSmall && isOurs && Boolean(info.value?.portable);
  }

  /** Fetch what draws a job while the service answers, for when it does not. @param {Job} job */
  keepReady(job) {
    if (!(/** @type {any} */ (navigator).connection?.saveData)) this.drawer(job);
  }

  /**
   * What draws a job here, once it has been fetched; null where that cannot be.
   *
   * @param {Job} job
   * @returns {Promise<Portable | null>}
   */
  async drawer(job) {
    if (!this.can(job)) return null;
    const wanted = job.identity ?? job.digest;
    const known = fetched.get(wanted) ?? fetchDrawer(this.#shared.api.portable(job.model), wanted);
    fetched.set(wanted, known);
    const drawer = await known.catch(() => null);
    if (!drawer) fetched.delete(wanted); // it may be there later
    return drawer;
  }

  /**
   * Images `first` to `first + n - 1` of a job; false where they cannot be drawn here.
   *
   * @param {Job} job
   * @param {(row: RowEvent) => void} onRow hears of each as the service would tell it
   * @param {AbortSignal} signal
   */
  async draw(job, onRow, signal) {
    const drawer = await this.drawer(job);
    if (!drawer || signal.aborted) return false;
    const { n, seed, temperature, first = 0, label } = job;
    const tell = (/** @type {number} */ sample, /** @type {number} */ y, /** @type {Uint8Array} */ values) => {
      if (!signal.aborted) onRow({ type: "row", sample, y, stage: "final", pixels: pixelsOf(values, drawer) });
    };
    try {
      await drawer.sample({ n, seed, temperature, first, label: label ?? undefined, onRow: tell, signal });
      return true;
    } catch {
      return false; // the service draws it
    }
  }
}

/** By the identity of their models, for the whole page. @type {Map<string, Promise<Portable | null>>} */
const fetched = new Map();

/** @param {Promise<{digest: string, identity: string | null, engine: string, model: string}>} found @param {string} wanted */
async function fetchDrawer(found, wanted) {
  const { digest, identity, engine, model } = await found;
  if ((identity ?? digest) !== wanted) return null;
  const { loadInWorker } = await import(`${engine}in_worker.js`);
  return loadInWorker(new URL(model, location.href));
}

/** A row as the service sends it: bytes, the colours of a pixel side by side. @param {Uint8Array} values colour after colour @param {Portable} drawer */
function pixelsOf(values, { width, channels, values: levels, palette }) {
  if (palette?.length) return btoa(String.fromCharCode(...values));
  const toByte = (/** @type {number} */ value) => Math.floor((value * 255 + ((levels - 1) >> 1)) / (levels - 1));
  const bytes = Array.from(values, (_, i) => toByte(values[(i % channels) * width + Math.floor(i / channels)]));
  return btoa(String.fromCharCode(...bytes));
}
