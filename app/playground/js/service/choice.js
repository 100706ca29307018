/** Choose models for a task. Knows no element. */

import { t } from "../lang.js";
import { kindOf, rankOf } from "./kinds.js";

/** @import {Job, Kind, Model} from "../types" */

/**
 * Return the bits per value that test images cost a model: less is better. A model that
 * was never measured costs more than any other.
 *
 * @param {Model} model
 */
export function costOf({ test_bits_per_dim: bits }) {
  return bits ?? Number.MAX_VALUE;
}

/**
 * Return true if a model draws in reading order, and its scores are in that order too.
 *
 * That excludes mixtures, turned and Multi-Scale models, and models with labels, whose
 * scores depend on a label that is found from the whole picture.
 *
 * @param {Model} model
 */
export function isInOneOrder({ members, labels, small_width: hasStages }) {
  return members.length === 1 && members[0] === "none" && !labels.length && !hasStages;
}

/**
 * Return the model that drew or scored a job.
 *
 * A model of the same name with other weights, or with other labels or priors, gives
 * other figures.
 *
 * @param {Model[] | null} models - Models that workers have loaded, or null.
 * @param {Pick<Job, "model" | "digest" | "identity">} job
 * @returns {Model | null} The model; null if no worker has it now.
 */
export function modelOf(models, job) {
  const found = models?.find(({ name }) => name === job.model);
  if (!found) return null;
  const isSame = found.identity && job.identity ? found.identity === job.identity : found.digest === job.digest;
  return isSame ? found : null;
}

/**
 * Return true if a model's pictures are black and white.
 *
 * @param {Model} model
 */
export function isPaper({ values, channels }) {
  return values === 2 && channels === 1;
}

/**
 * Return true if one can paint in a model's pictures: in black and white, or with the
 * colours of a palette.
 *
 * @param {Model} model
 */
export const hasInk = (model) => isPaper(model) || model.palette?.length > 0;

/**
 * Task -> kinds of job that a model must do, and a further condition.
 *
 * @type {Record<string, {can: Kind[], fits: (model: Model) => boolean}>}
 */
const TASKS = {
  watch: { can: ["sample", "score", "complete"], fits: () => true },
  bet: { can: ["sample", "score"], fits: (model) => isPaper(model) && isInOneOrder(model) },
  draw: { can: ["complete", "score"], fits: (one) => hasInk(one) && one.methods.includes("posterior") },
  guess: { can: ["sample", "score"], fits: (one) => kindOf(one) === t("Characters") },
};

/**
 * Return the models that suit a task, the preferred ones first.
 *
 * They are ordered by kind of picture; within a kind, models of one order come first,
 * then the better one.
 *
 * @param {string} task - "watch", "bet", "draw" or "guess"; another name raises
 *     TypeError.
 * @param {Model[]} models - All models that workers have loaded.
 * @returns {Model[]} A new list.
 */
export function modelsFor(task, models) {
  const { can, fits } = TASKS[task];
  return models
    .filter((model) => can.every((kind) => model.can.includes(kind)) && fits(model))
    .sort(
      (a, b) => rankOf(a) - rankOf(b) || Number(isInOneOrder(b)) - Number(isInOneOrder(a)) || costOf(a) - costOf(b),
    );
}

/**
 * Return the models that draw the same kind of picture at the same size, the model
 * itself among them.
 *
 * @param {Model[]} models
 * @param {Model} model
 * @returns {Model[]}
 */
export function similarModels(models, model) {
  const isAlike = (/** @type {Model} */ { width, height }) => width === model.width && height === model.height;
  return models.filter((one) => kindOf(one) === kindOf(model) && isAlike(one));
}

/**
 * Choose the model that fills a hole best.
 *
 * If the hole lies at the end, a network of one order is exact and fast; for other
 * holes a mixture is better. Models that are not compiled yet come last.
 *
 * @param {Model[]} models - Models of one kind, the best first.
 * @param {Uint8Array} unknown - Mask, row by row: 1 for a pixel to fill.
 * @returns {Model | null} The model; null if the list is empty.
 */
export function bestForHole(models, unknown) {
  const isFromTheTop = unknown.lastIndexOf(0) < unknown.indexOf(1);
  const isFit = (/** @type {Model} */ model) => (isFromTheTop ? isInOneOrder(model) : model.members.length > 1);
  const rank = (/** @type {Model} */ model) => 2 * Number(model.compiling) - Number(isFit(model));
  return [...models].sort((a, b) => rank(a) - rank(b))[0] ?? null;
}
