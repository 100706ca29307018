/** How good the images of a completion are: model_core/posterior/receipt.py. */

/** @import {Receipt} from "../types" */

import { deviation, logMean } from "./elementary.js";

export const GOOD_APART = 25;
const ROUGH_APART = 50;
const [GOOD_SD, GOOD_ESS] = [5, 2.5];
const [MANY_VALUES, LEAST_ESS] = [16, 1.5];
/** The best first. */
const WORDS = /** @type {const} */ (["exact", "good", "rough", "poor"]);

/**
 * The facts of one image and of the chains that drew it.
 *
 * @typedef {Object} Drawn
 * @property {Receipt["member"]} member
 * @property {number} [label]
 * @property {number} nats
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
      quality: WORDS[Math.max(...qualities.map((word) => WORDS.indexOf(word)))],
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
 * The receipt of images that were drawn without a chain.
 *
 * @param {import("./accepting.js").Accepting} accepting
 */
export function acceptedReceipt({ mixture, member, size, ess, logEvidence, evidenceSd, nats }) {
  return receiptWith({
    exact: false,
    member: mixture.ways[member].orientation,
    quality: "good",
    qualities: nats.map(() => "good"),
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
 * The word for one image by particles; no other image has a say in it.
 *
 * @param {Drawn} drawn
 * @param {number | null} strangeNats
 * @param {number} values
 */
function qualityOf({ nats, chainsNats, logEvidence, ess }, strangeNats, values) {
  const apart = apartNats(chainsNats);
  const isStrange = strangeNats === null ? apart > ROUGH_APART : nats > strangeNats;
  if (isStrange || (values >= MANY_VALUES && ess < LEAST_ESS)) return "poor";
  return apart <= GOOD_APART && deviation(logEvidence) <= GOOD_SD && ess >= GOOD_ESS ? "good" : "rough";
}
