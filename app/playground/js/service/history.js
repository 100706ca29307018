/**
 * The jobs of this browser, in its own storage: newest first; the oldest are dropped if
 * there are too many.
 */

import { lasting } from "../storage.js";
import { settingsIn } from "./settings.js";

/** @import {JobInput, Job, HistoryEntry, Settings} from "../types" */

/** Key in the browser's storage. */
const KEY = "pixelrnn.history";
/** Jobs that are kept, at most. */
const MOST = 60;
/** Statuses of jobs that have not ended. */
export const OPEN = new Set(["queued", "running"]);

/**
 * The jobs that were drawn in this browser. They are kept in its storage, which all tabs
 * share. Nothing raises an error: if the storage is full, the older half is dropped.
 */
export class History {
  /**
   * Return all entries, newest first. Unreadable contents count as none.
   *
   * @returns {HistoryEntry[]}
   */
  all() {
    try {
      const found = JSON.parse(lasting.get(KEY) ?? "[]");
      return Array.isArray(found) ? found : [];
    } catch {
      return [];
    }
  }

  /**
   * Return the entry of a job, or null.
   *
   * @param {string} id
   */
  get(id) {
    return this.all().find((one) => one.id === id) ?? null;
  }

  /**
   * Return the jobs whose images may have been drawn with these settings, newest first.
   *
   * @param {Settings} settings
   */
  drawnWith({ kind, model, seed, temperature }) {
    const fits = (/** @type {HistoryEntry} */ job) =>
      job.model === model && job.seed === seed && job.temperature === temperature && job.kind !== "score";
    return this.all().filter((job) => fits(job) && (!kind || job.kind === kind));
  }

  /**
   * Add an entry, or replace the entry of the same job.
   *
   * @param {HistoryEntry} job
   */
  keep(job) {
    const others = this.all().filter((one) => one.id !== job.id);
    this.replace([job, ...others].sort((a, b) => b.at - a.at).slice(0, MOST));
  }

  /**
   * Set the status of an entry. One that was removed meanwhile, or whose job has ended,
   * stays as it is.
   *
   * @param {string} id
   * @param {HistoryEntry["status"]} status
   */
  setStatus(id, status) {
    const job = this.get(id);
    if (job && OPEN.has(job.status)) this.keep({ ...job, status });
  }

  /**
   * Replace all entries.
   *
   * @param {HistoryEntry[]} jobs
   */
  replace(jobs) {
    if (!lasting.set(KEY, JSON.stringify(jobs)) && jobs.length > 1) this.replace(jobs.slice(0, jobs.length >> 1));
    for (const listener of this.#listeners) listener();
  }

  /** @type {(() => void)[]} */
  #listeners = [];

  /**
   * Call a listener whenever the entries change, in this tab or in another one.
   *
   * @param {() => void} listener
   */
  watch(listener) {
    this.#listeners.push(listener);
    addEventListener("storage", (event) => event.key === KEY && listener());
  }
}

/**
 * Return the entry of a job for the history.
 *
 * @param {Job} job - Job of the service.
 * @param {JobInput} given - Pictures that it was given; those of a larger picture are
 *     left out, since they take too much room.
 * @param {string} thumbnail - Data URL of its thumbnail, "" for none.
 * @returns {HistoryEntry}
 */
export function historyEntry(job, given, thumbnail) {
  const { id, kind, status } = job;
  // The browser's storage has no room for larger pictures.
  const kept = job.cutouts ? {} : given;
  return { ...settingsIn(job), id, kind, status, at: Date.parse(job.created_at), given: kept, thumbnail };
}
