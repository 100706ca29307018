/** How good the images of a completion are: model_core/posterior/receipt.py. */

/** @import {Receipt} from "../types" */

import { deviation, logMean } from "../elementary.js";

export const GOOD_APART = 25;
const ROUGH_APART = 50;
const [GOOD_SD, GOOD_ESS] = [5, 2.5];
const [MANY_VALUES, LEAST_ESS] = [16, 1.5];
/** The best first. */
const WORDS = /** @type {const} */ (["exact", "good", "rough", "poor"]);

/** @typedef {(typeof WORDS)[number]} Quality */

/**
 * The facts of one image and of the chains that drew it.
 *
 * @typedef {Object} Drawn
 * @property {Receipt["member"]} member
 * @property {number} [label]
 * @property {number} nats
 * @property {number} natsAtOne - nats of the image at temperature 1
 * @property {number[]} chainsNats - of the chains' last images
 * @property {number[]} logEvidence - estimates of the chains' beginnings
 * @property {number} logEvidenceAbove - one from the other side, with the image among the particles
 * @property {number} ess
 * @property {number} distinct
 * @property {number} particles - the sum over the chains of those of each member that began them
 */

/** @type {Omit<Receipt, "exact" | "member">} */
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
 * A receipt of these facts; the label of the last image, if it has any.
 *
 * @param {Partial<Receipt> & Pick<Receipt, "exact" | "member">} facts
 * @param {number} [label]
 * @returns {Receipt}
 */
export const receiptWith = (facts, label) => ({ ...NOTHING, ...facts, ...(label === undefined ? {} : { label }) });

/**
 * The same where nobody gets the image: what is known of the hole.
 *
 * @param {Receipt} receipt
 */
export const ofNoImage = ({ label: _, ...facts }) => ({ ...facts, nats: [], qualities: [] });

/**
 * The receipt of all images of a completion by particles.
 *
 * @param {Drawn[]} drawn - at least one
 * @param {number | null} strangeNats
 * @param {number} values
 */
export function receiptOf(drawn, strangeNats, values) {
  const evidence = drawn.flatMap(({ logEvidence }) => logEvidence);
  const qualities = drawn.map((each) => qualityOf(each, strangeNats, values));
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
      evidence_nats: Math.min(-logMean(evidence), ...drawn.flatMap(({ chainsNats }) => chainsNats)),
      evidence_sd: deviation([...evidence, ...drawn.map(({ logEvidenceAbove }) => logEvidenceAbove)]),
      nats: drawn.map(({ nats }) => nats),
      apart_nats: Math.max(...drawn.map(({ chainsNats }) => apartNats(chainsNats))),
    },
    label,
  );
}

/**
 * Return the receipt of images that were drawn without a chain.
 *
 * @param {import("./accepting.js").Accepting} accepting
 * @param {number[]} natsAtOne - nats of each image at temperature 1
 * @param {number | null} strangeNats
 */
export function acceptedReceipt(accepting, natsAtOne, strangeNats) {
  const { mixture, member, size, ess, logEvidence, evidenceSd, nats } = accepting;
  const qualities = natsAtOne.map((each) => (isStrange(each, strangeNats) ? "poor" : "good"));
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

/** How far an image's chains ended from each other. @param {number[]} chainsNats */
const apartNats = (chainsNats) => Math.max(...chainsNats) - Math.min(...chainsNats);

/**
 * Return the worst of several words, at least one.
 *
 * @param {Quality[]} words
 */
const worstOf = (words) => WORDS[Math.max(...words.map((word) => WORDS.indexOf(word)))];

/**
 * Return true if an image has more nats at temperature 1 than 99 % of the model's validation
 * images; false if their nats are unknown.
 *
 * @param {number} natsAtOne
 * @param {number | null} strangeNats
 */
const isStrange = (natsAtOne, strangeNats) => strangeNats !== null && natsAtOne > strangeNats;

/**
 * Return the word for one image by chains; other images do not influence it.
 *
 * @param {Drawn} drawn
 * @param {number | null} strangeNats
 * @param {number} values
 * @returns {Quality}
 */
function qualityOf({ natsAtOne, chainsNats, logEvidence, ess }, strangeNats, values) {
  const apart = apartNats(chainsNats);
  const isApart = strangeNats === null && apart > ROUGH_APART;
  const isMissed = values >= MANY_VALUES && ess < LEAST_ESS;
  if (isStrange(natsAtOne, strangeNats) || isApart || isMissed) return "poor";
  return apart <= GOOD_APART && deviation(logEvidence) <= GOOD_SD && ess >= GOOD_ESS ? "good" : "rough";
}
