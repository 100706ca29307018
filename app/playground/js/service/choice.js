/** Which of the models is asked: what they can, and how well. Knows no element. */

import { t } from "../lang.js";
import { kindOf, rankOf } from "./kinds.js";

/** @import {Kind, Model} from "../types" */

/** Bits that a test image costs it: the fewer, the better it is; of one that was never measured, more than of any. @param {Model} model */
export function costOf({ test_bits_per_dim: bits }) {
  return bits ?? Number.MAX_VALUE;
}

/**
 * Whether its scores are of what it draws by: from the top, a pixel after the other, and no label, since a score with
 * labels has seen the whole picture to choose one.
 *
 * @param {Model} model
 */
export function isInOneOrder({ members, labels, small_width: hasStages }) {
  return members.length === 1 && members[0] === "none" && !labels.length && !hasStages;
}

/** Whether one can draw on its pictures with black and white. @param {Model} model */
export function isPaper({ values, channels }) {
  return values === 2 && channels === 1;
}

/** Or with the colours of a palette. @param {Model} model */
export const hasInk = (model) => isPaper(model) || model.palette?.length > 0;

/** What each task asks of a model. @type {Record<string, {can: Kind[], fits: (model: Model) => boolean}>} */
const TASKS = {
  watch: { can: ["sample", "score", "complete"], fits: () => true },
  bet: { can: ["sample", "score"], fits: (model) => isPaper(model) && isInOneOrder(model) },
  draw: { can: ["complete", "score"], fits: (one) => hasInk(one) && one.methods.includes("posterior") },
  guess: { can: ["sample", "score"], fits: (one) => kindOf(one) === t("Characters") },
};

/** Those that do a task: kinds as they are listed, and of each first those of one order, then the best. @param {string} task @param {Model[]} models */
export function modelsFor(task, models) {
  const { can, fits } = TASKS[task];
  return models
    .filter((model) => can.every((kind) => model.can.includes(kind)) && fits(model))
    .sort(
      (a, b) => rankOf(a) - rankOf(b) || Number(isInOneOrder(b)) - Number(isInOneOrder(a)) || costOf(a) - costOf(b),
    );
}

/** Those that draw the same kind of picture, of the same size. @param {Model[]} models @param {Model} model */
export function similarModels(models, model) {
  const isAlike = (/** @type {Model} */ { width, height }) => width === model.width && height === model.height;
  return models.filter((one) => kindOf(one) === kindOf(model) && isAlike(one));
}

/**
 * Of models of one kind, the one to fill a hole with: from the top a network of one order is exact, and at once; for all
 * else a mixture of several comes nearer. What has not been compiled yet comes last.
 *
 * @param {Model[]} models the best first
 * @param {Uint8Array} unknown 1 = it is
 * @returns {Model | null}
 */
export function bestForHole(models, unknown) {
  const isFromTheTop = unknown.lastIndexOf(0) < unknown.indexOf(1);
  const isFit = (/** @type {Model} */ model) => (isFromTheTop ? isInOneOrder(model) : model.members.length > 1);
  const rank = (/** @type {Model} */ model) => 2 * Number(model.compiling) - Number(isFit(model));
  return [...models].sort((a, b) => rank(a) - rank(b))[0] ?? null;
}
