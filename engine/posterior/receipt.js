/**
 * Receipts: how good the images of a completion are, in figures and one word
 * (model_core/posterior/receipt.py).
 */

/** @import {Receipt} from "../types" */

import { deviation, logMean } from "../elementary.js";

/** Nats; two images from one posterior are hardly ever further apart. */
export const GOOD_APART = 25;
/**
 * Nats of the standard deviation of the evidence, at most, and effective first particles, at
 * least, of a good image: fewer particles may all have missed what is likely.
 */
const [GOOD_SD, GOOD_ESS] = [5, 2.5];
/** With so many values, windows hardly repair what fewer first particles have missed. */
const [MANY_VALUES, LEAST_ESS] = [16, 1.5];
/** Words for the quality of an image, the best first. */
const WORDS = /** @type {const} */ (["exact", "good", "rough", "poor"]);

/** @typedef {(typeof WORDS)[number]} Quality */

/**
 * The facts of one image and of the chains that drew it.
 *
 * @typedef {Object} ImageFacts
 * @property {Receipt["member"]} member - Orientation of the member that drew it last.
 * @property {number} [label] - Index of its label.
 * @property {number} nats - -ln p of the image by the model, at its temperature.
 * @property {number} natsAtOne - The same at temperature 1.
 * @property {number[]} chainsNats - Nats of each chain's last image.
 * @property {number[]} logEvidence - Estimate of ln p(given) by each chain's first particles.
 * @property {number} logEvidenceAbove - An estimate from above, with the image among the particles.
 * @property {number} ess - Effective number of first particles.
 * @property {number} distinct - First particles from which a chain's last ones descend.
 * @property {number} particles - First particles of each member, summed over the chains.
 */

/** Figures of images for which nothing was estimated. @type {Omit<Receipt, "exact" | "member">} */
const NOTHING = {
  quality: null,
  qualities: null,
  particles: 0,
  ess: null,
  distinct: null,
  evidence_nats: null,
  evidence_sd: null,
  nats: null,
  apart_nats: null,
};

/**
 * Return a receipt of these facts; fields that they lack are null, and `particles` is
 * 0.
 *
 * @param {Partial<Receipt> & Pick<Receipt, "exact" | "member">} facts - Fields of the
 *     receipt.
 * @param {number} [label] - Index of the last image's label; the field is left out if
 *     it is undefined.
 * @returns {Receipt}
 */
export const receiptWith = (facts, label) => ({ ...NOTHING, ...facts, ...(label === undefined ? {} : { label }) });

/**
 * Return the receipt of a completion whose images nobody asked for.
 *
 * @param {Receipt} receipt - Stays as it is.
 * @returns {Omit<Receipt, "label">} A copy without `label` and with empty lists of nats
 *     and qualities; the other figures describe the hole.
 */
export const ofNoImage = ({ label: _, ...facts }) => ({ ...facts, nats: [], qualities: [] });

/**
 * Return the receipt of images that were drawn by chains.
 *
 * @param {ImageFacts[]} drawn - Facts of each image, at least one.
 * @param {number | null} strangeNats - Nats at temperature 1 that only 1 % of ordinary
 *     images exceed; null if unknown.
 * @param {number} values - Number of values V of a variable.
 * @param {number} noiseNats - Nats of any image if all values were equally likely.
 * @returns {Receipt}
 */
export function receiptOf(drawn, strangeNats, values, noiseNats) {
  const evidence = drawn.flatMap(({ logEvidence }) => logEvidence);
  const qualities = drawn.map((each) => qualityOf(each, strangeNats, values, noiseNats));
  const { member, label } = drawn[drawn.length - 1];
  return receiptWith(
    {
      exact: false,
      member,
      quality: worstOf(qualities),
      qualities,
      particles: Math.max(...drawn.map(({ particles }) => particles)),
      ess: Math.min(...drawn.map(({ ess }) => ess)),
      distinct: Math.min(...drawn.map(({ distinct }) => distinct)),
      // p(given) is at least the probability of a completed image, so its nats are an
      // upper bound.
      evidence_nats: Math.min(-logMean(evidence), ...drawn.flatMap(({ chainsNats }) => chainsNats)),
      evidence_sd: deviation([...evidence, ...drawn.map(({ logEvidenceAbove }) => logEvidenceAbove)]),
      nats: drawn.map(({ nats }) => nats),
      apart_nats: Math.max(...drawn.map(({ chainsNats }) => apartNats(chainsNats))),
    },
    label,
  );
}

/**
 * Return the receipt of images that were drawn by rejection, without a chain.
 *
 * @param {import("./accepting.js").Accepting} accepting - The object that drew them;
 *     its pool must have been drawn.
 * @param {number[]} natsAtOne - Nats of each image at temperature 1.
 * @param {number | null} strangeNats - Nats at temperature 1 that only 1 % of ordinary
 *     images exceed; null if unknown.
 * @param {number} noiseNats - Nats of any image if all values were equally likely.
 * @returns {Receipt}
 */
export function acceptedReceipt(accepting, natsAtOne, strangeNats, noiseNats) {
  const { mixture, member, size, ess, logEvidence, evidenceSd, nats } = accepting;
  const qualities = natsAtOne.map((each) => (isStrange(each, strangeNats, noiseNats) ? "poor" : "good"));
  return receiptWith({
    exact: false,
    member: mixture.ways[member].orientation,
    quality: worstOf(qualities),
    qualities,
    particles: size,
    ess,
    distinct: size,
    evidence_nats: Math.min(-logEvidence, ...nats),
    evidence_sd: evidenceSd,
    nats,
  });
}

/**
 * Return the distance between the ends of an image's chains, in nats.
 *
 * @param {number[]} chainsNats
 */
const apartNats = (chainsNats) => Math.max(...chainsNats) - Math.min(...chainsNats);

/**
 * Return the worst of several words, at least one.
 *
 * @param {Quality[]} words
 */
const worstOf = (words) => WORDS[Math.max(...words.map((word) => WORDS.indexOf(word)))];

/**
 * Return true if an image has more nats at temperature 1 than 99 % of the model's
 * validation images; if their nats are unknown, more than noise.
 *
 * @param {number} natsAtOne
 * @param {number | null} strangeNats
 * @param {number} noiseNats
 */
const isStrange = (natsAtOne, strangeNats, noiseNats) => natsAtOne > (strangeNats ?? noiseNats);

/**
 * Return the word for one image by chains. Other images do not influence it.
 *
 * @param {ImageFacts} drawn
 * @param {number | null} strangeNats
 * @param {number} values
 * @param {number} noiseNats
 * @returns {Quality}
 */
function qualityOf({ natsAtOne, chainsNats, logEvidence, ess }, strangeNats, values, noiseNats) {
  const isMissed = values >= MANY_VALUES && ess < LEAST_ESS;
  if (isStrange(natsAtOne, strangeNats, noiseNats) || isMissed) return "poor";
  const isApart = apartNats(chainsNats) > GOOD_APART || deviation(logEvidence) > GOOD_SD;
  if (!isApart && ess >= GOOD_ESS) return "good";
  // Without quantiles nothing can tell that the given pixels are improbable.
  return strangeNats === null ? "poor" : "rough";
}
