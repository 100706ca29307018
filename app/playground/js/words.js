/** Numbers and states as people say them. */

/** @import {Job, Model, Receipt, Status} from "./types" */

/** @param {number} count @param {string} one @param {string} [many] */
export function plural(count, one, many = `${one}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

/** @param {number} seconds */
function duration(seconds) {
  if (seconds < 1) return "under a second";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

/** @param {number} place */
export function ordinal(place) {
  const last = place % 100 > 10 && place % 100 < 14 ? 0 : place % 10;
  return `${place}${["th", "st", "nd", "rd"][last] ?? "th"}`;
}

/** @param {Model} model */
export function modelFacts(model) {
  const colours = model.channels === 1 ? (model.values === 2 ? "black and white" : "grey") : "colour";
  const size = `${model.width} × ${model.height}`;
  const orders = model.members.length > 1 ? ` in ${model.members.length} orientations` : "";
  return `${model.small_width ? "Multi-Scale " : ""}${model.title}${orders} · ${size} ${colours}`;
}

/** @param {Model} model */
export function modelScore(model) {
  if (model.test_bits_per_dim === null) return "not measured";
  const bits = `${model.test_bits_per_dim.toFixed(model.values === 2 ? 3 : 2)} bits/dim`;
  return model.values === 2 && model.test_nats !== null ? `${model.test_nats.toFixed(2)} nats · ${bits}` : bits;
}

/** @param {Model} model */
export function modelOrigin(model) {
  return `${short(model.parameters)} weights, trained on ${model.data}`;
}

/** @param {number} count */
function short(count) {
  if (count < 1e3) return String(count);
  return count < 1e6 ? `${Math.round(count / 1e3)} k` : `${(count / 1e6).toFixed(1)} M`;
}

/** @type {Record<Status | "gone", string>} */
export const STATES = {
  queued: "waiting",
  running: "drawing",
  succeeded: "done",
  failed: "failed",
  canceled: "canceled",
  gone: "no longer kept",
};

/**
 * Where the job is, in one line.
 *
 * @param {Job} job
 */
export function standing(job) {
  const eta = job.eta_s === null || job.eta_s < 1 ? "" : ` · about ${duration(job.eta_s)} left`;
  switch (job.status) {
    case "queued":
      return job.position && job.position > 1
        ? `Waiting: ${ordinal(job.position)} in the queue${eta}`
        : `Waiting: next in the queue${eta}`;
    case "running":
      return `Drawing: ${Math.round(100 * job.progress)}%${eta}`;
    case "succeeded":
      return job.kind === "score" ? `Scored${taken(job)}` : `Done: ${plural(job.n, "image")}${taken(job)}`;
    case "canceled":
      return `Canceled at ${Math.round(100 * job.progress)}%`;
    case "failed":
      return `Failed: ${job.error?.detail ?? "the reason was not recorded"}`;
  }
}

/** @param {Receipt} receipt */
export function quality({ exact, particles, ess }) {
  return exact ? "exact" : `${plural(particles, "particle")}, ${Math.round(ess ?? 1)} effective`;
}

/** @param {Job} job */
function taken(job) {
  if (!job.started_at || !job.finished_at) return "";
  const seconds = (Date.parse(job.finished_at) - Date.parse(job.started_at)) / 1000;
  return seconds < 10 ? ` in ${seconds.toFixed(1)} s` : ` in ${duration(seconds)}`;
}
