/** The jobs of this browser, in its own storage: newest first, the oldest forgotten when there are too many. */

import { lasting } from "../storage.js";
import { settingsIn } from "./settings.js";

/** @import {JobInput, Job, HistoryEntry, Settings} from "../types" */

const KEY = "pixelrnn.history";
const MOST = 60;

export class History {
  /** @returns {HistoryEntry[]} */
  all() {
    try {
      const found = JSON.parse(lasting.get(KEY) ?? "[]");
      return Array.isArray(found) ? found : [];
    } catch {
      return [];
    }
  }

  /** @param {string} id */
  get(id) {
    return this.all().find((one) => one.id === id) ?? null;
  }

  /** The jobs of this browser whose images these settings may have drawn, newest first. @param {Settings} settings */
  drawnWith({ kind, model, seed, temperature }) {
    const fits = (/** @type {HistoryEntry} */ job) =>
      job.model === model && job.seed === seed && job.temperature === temperature && job.kind !== "score";
    return this.all().filter((job) => fits(job) && (!kind || job.kind === kind));
  }

  /** Add it, or put it in the place of what was remembered of this job. @param {HistoryEntry} job */
  keep(job) {
    const others = this.all().filter((one) => one.id !== job.id);
    this.replace([job, ...others].sort((a, b) => b.at - a.at).slice(0, MOST));
  }

  /** All at once: these, and no others; the older half out when the browser gives no more room. @param {HistoryEntry[]} jobs */
  replace(jobs) {
    if (!lasting.set(KEY, JSON.stringify(jobs)) && jobs.length > 1) this.replace(jobs.slice(0, jobs.length >> 1));
    for (const listener of this.#listeners) listener();
  }

  /** @type {(() => void)[]} */
  #listeners = [];

  /** Told whenever it changes, in this tab or in another one. @param {() => void} listener */
  watch(listener) {
    this.#listeners.push(listener);
    addEventListener("storage", (event) => event.key === KEY && listener());
  }
}

/**
 * @param {Job} job
 * @param {JobInput} given
 * @param {string} thumbnail a data URL
 * @returns {HistoryEntry}
 */
export function historyEntry(job, given, thumbnail) {
  const { id, kind, status } = job;
  const kept = job.cutouts ? {} : given; // a larger picture has no room there
  return { ...settingsIn(job), id, kind, status, at: Date.parse(job.created_at), given: kept, thumbnail };
}
