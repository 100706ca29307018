/** Numbers and states in words. */

import { kindOf, networkOf } from "./kinds.js";
import { formatFixed, language, formatNumber, t } from "../lang.js";
import { rgbaOf } from "../pixels/raster.js";

/** @import {Job, Model, Receipt, ScoreResult, Status} from "../types" */

/**
 * Return a number of images in words, such as "3 images".
 *
 * @param {number} count
 */
export function images(count) {
  return count === 1 ? t("1 image") : t("{count} images", { count: formatNumber(count) });
}

/**
 * Return a duration in words.
 *
 * @param {number} seconds
 */
export function duration(seconds) {
  if (seconds < 1) return t("under a second");
  if (seconds < 90) return t("{s} s", { s: Math.round(seconds) });
  if (seconds < 5400) return t("{min} min", { min: Math.round(seconds / 60) });
  return t("{h} h", { h: formatFixed(seconds / 3600, 1) });
}

/**
 * Return an ordinal number in the reader's language, such as "2nd".
 *
 * @param {number} place - At least 1.
 */
export function ordinal(place) {
  if (language !== "en") return `${place}.`;
  const last = place % 100 > 10 && place % 100 < 14 ? 0 : place % 10;
  return `${place}${["th", "st", "nd", "rd"][last] ?? "th"}`;
}

/**
 * Return the name of a value of a palette: its own name, or else a word for its colour.
 *
 * If several colours of the palette have the same word, the colour's code is added, as
 * in "red #d04648".
 *
 * @param {Pick<Model, "palette" | "names">} model - Its palette and names.
 * @param {number} value - Index of the colour.
 */
export function colourName({ palette, names }, value) {
  if (names[value]) return names[value];
  const words = palette.map(colourWord);
  const isOne = words.indexOf(words[value]) === words.lastIndexOf(words[value]);
  return isOne ? words[value] : `${words[value]} ${palette[value]}`;
}

/**
 * Hue in degrees at which the range of each word ends.
 *
 * @type {[number, string][]}
 */
const HUES = [
  [15, t("red")],
  [45, t("orange")],
  [70, t("yellow")],
  [165, t("green")],
  [200, t("turquoise")],
  [255, t("blue")],
  [295, t("purple")],
  [345, t("pink")],
  [360, t("red")],
];
/** Saturation below which a colour is called grey. */
const GREYEST = 0.15;

/**
 * Return an everyday word for a colour.
 *
 * @param {string} colour - `#rrggbb` or `#rrggbbaa`; a fully transparent colour is
 *     called clear.
 */
export function colourWord(colour) {
  const [red, green, blue, opacity] = rgbaOf(colour).map((byte) => byte / 255);
  if (!opacity) return t("clear");
  const [least, most] = [Math.min(red, green, blue), Math.max(red, green, blue)];
  const [light, span] = [(least + most) / 2, most - least];
  if (light < 0.11) return t("black");
  if (light > 0.95) return t("white");
  const saturation = span / (1 - Math.abs(2 * light - 1));
  if (saturation < GREYEST) return shade(t("grey"), light);
  const sixth =
    most === red ? (green - blue) / span : most === green ? 2 + (blue - red) / span : 4 + (red - green) / span;
  const hue = (60 * sixth + 360) % 360;
  const word = /** @type {[number, string]} */ (HUES.find(([end]) => hue < end))[1];
  const isBrown = word === t("orange") && light < 0.45;
  return isBrown ? t("brown") : shade(word, light);
}

/**
 * Return the word for a colour with "dark" or "light" before it, if it is.
 *
 * @param {string} colour
 * @param {number} light - 0 to 1
 */
function shade(colour, light) {
  if (light < 0.33) return t("dark {colour}", { colour });
  return light > 0.67 ? t("light {colour}", { colour }) : colour;
}

/**
 * Return a model's network, size and colours in one line.
 *
 * @param {Model} model
 */
export function modelFacts(model) {
  const greys = model.values === 2 ? t("black and white") : t("grey");
  const colours = model.palette?.length ? t("palette") : model.channels > 1 ? t("colour") : greys;
  return `${networkOf(model)} · ${model.width} × ${model.height} ${colours}`;
}

/**
 * Return how well a model scores test pictures; while it is loaded or compiled, that
 * instead.
 *
 * @param {Model} model
 */
export function modelScore(model) {
  if (model.state === "compiling") return t("compiling for this processor: its jobs wait");
  if (model.state === "loading") return t("loading: its jobs wait");
  if (model.test_bits_per_dim === null) return t("not measured");
  const bits = `${formatFixed(model.test_bits_per_dim, model.values === 2 ? 3 : 2)} bits/dim`;
  if (model.values > 2 || model.test_nats === null) return bits;
  return `${t("{nats} nats", { nats: formatFixed(model.test_nats, 2) })} · ${bits}`;
}

/**
 * Return a model's number of weights and its training data in one line.
 *
 * @param {Model} model
 */
export function modelOrigin(model) {
  return t("{count} weights, trained on {data}", {
    count: formatNumber(model.parameters, { notation: "compact" }),
    data: model.data,
  });
}

/** Sentence for a view that no loaded model can serve. */
export const NO_MODEL = t("No model here can do this; a worker that is started may bring one.");
/** Sentence for a job whose model no worker has now. */
export const MODEL_AWAY = t("No worker has this model now. Nothing is lost: it goes on when one is back.");

/**
 * Status of a job -> word.
 *
 * @type {Record<Status | "gone", string>}
 */
export const STATES = {
  queued: t("waiting"),
  running: t("drawing"),
  succeeded: t("done"),
  failed: t("failed"),
  canceled: t("canceled"),
  gone: t("no longer kept"),
};

/**
 * Return the state of a job in one line: place in the queue, progress, result or error.
 *
 * @param {Job} job
 */
export function statusLine(job) {
  // Less than a second is not worth an estimate.
  const eta = job.eta_s === null || job.eta_s < 1 ? "" : ` · ${t("about {time} left", { time: duration(job.eta_s) })}`;
  const percent = Math.round(100 * job.progress);
  switch (job.status) {
    case "queued":
      return (
        (job.position && job.position > 1
          ? t("Waiting: {place} in the queue", { place: ordinal(job.position) })
          : t("Waiting: next in the queue")) + eta
      );
    case "running":
      return (
        (job.kind === "train" ? t("Learning: {percent}%", { percent }) : t("Drawing: {percent}%", { percent })) + eta
      );
    case "succeeded":
      return (job.kind === "score" ? t("Scored") : t("Done: {images}", { images: images(job.n) })) + durationOf(job);
    case "canceled":
      return t("Canceled at {percent}%", { percent });
    case "failed":
      return t("Failed: {why}", { why: job.error?.detail ?? t("the reason was not recorded") });
  }
}

/**
 * Return how a job is drawn in one line: kind of picture, seed, temperature and label.
 *
 * @param {Job} job - Job of the service or of this browser.
 * @param {Model[] | null} models - Models that workers have loaded, or null.
 */
export function originLine({ model: name, seed, temperature, label }, models) {
  const known = models?.find((one) => one.name === name);
  const model = known ? kindOf(known) : name;
  const of = label ? ` · ${t("label {name}", { name: [label].flat().join(", ") })}` : "";
  return (
    t("{model} · seed {seed} · temperature {temperature}", { model, seed, temperature: formatNumber(temperature) }) + of
  );
}

/** Quality of a completion -> explanation. */
const QUALITIES = /** @type {Record<string, string>} */ ({
  exact: t("exact: drawn from just what the network believes"),
  good: t("good: enough tries counted, and they agree"),
  rough: t("rough: two tries do not agree, or too little counted"),
  poor: t("poor: do not rely on these"),
});
/** Nats below which given pixels rule nothing out. */
const SURE_NATS = 1e-6;
/** Bits below which a chance is called "nearly 1". */
const LEAST_BITS = Math.log2(1.5);
/** Largest share that is stated: some thousand pictures show no more. */
const MOST_SHARE = 0.99;
/** Smallest share that is stated exactly. */
const LEAST_SHARE = 0.0001;

/**
 * Return the quality of a completion with its explanation, in the reader's language; if
 * images differ, that of the worst.
 *
 * @param {Receipt} receipt - Receipt of the completion; without a quality it counts as
 *     poor.
 */
export function quality(receipt) {
  const worst = QUALITIES[receipt.quality ?? "poor"];
  return qualityWords(receipt).length ? t("some are {quality}", { quality: worst }) : worst;
}

/**
 * Return how well the holes of a larger picture are filled.
 *
 * @param {string[]} words - Quality of each hole, in reading order; at least one.
 */
export function holeQualities(words) {
  if (new Set(words).size === 1) return QUALITIES[words[0]];
  return t("holes in reading order: {words}", { words: words.map((word) => QUALITIES[word].split(":")[0]).join(", ") });
}

/**
 * Return the quality of each image in a word; an empty list if all are the same or
 * unknown.
 *
 * @param {Receipt | null} receipt
 */
export function qualityWords(receipt) {
  const words = receipt?.qualities ?? [];
  return new Set(words).size > 1 ? words.map((word) => QUALITIES[word].split(":")[0]) : [];
}

/**
 * Return how long a finished job took.
 *
 * @param {Job} job
 */
function durationOf(job) {
  if (!job.started_at || !job.finished_at) return "";
  const seconds = (Date.parse(job.finished_at) - Date.parse(job.started_at)) / 1000;
  return ` ${t("in {time}", { time: seconds >= 0.05 && seconds < 10 ? `${formatFixed(seconds, 1)} s` : duration(seconds) })}`;
}

/**
 * Return the chance of the given pixels as a sentence.
 *
 * @param {Receipt} receipt - Receipt of a completion.
 * @param {string} word - Its quality. For "poor", and without an estimate, the result
 *     is "".
 */
export function chanceOfGiven({ evidence_nats: nats, evidence_sd: spread }, word) {
  if (word === "poor" || nats === null || nats === undefined) return "";
  if (nats < SURE_NATS) return t("Everything is still possible.");
  const chance = likelihood(nats / Math.LN2);
  if (word === "exact" || !spread) return t("What you gave has a chance of {chance}.", { chance });
  const [least, most] = [nats + spread, Math.max(0, nats - spread)].map((far) => likelihood(far / Math.LN2));
  if (least === most) return t("What you gave has a chance of about {chance}.", { chance });
  return t("What you gave has a chance of about {chance}; most estimates of it lie between {least} and {most}.", {
    chance,
    least,
    most,
  });
}

/**
 * Return the chance of a picture as a sentence, and how it compares with pictures of
 * its kind if that is known.
 *
 * @param {ScoreResult} score - Score of a whole picture.
 */
export function chanceOfPicture({ nats, p_value: rarer }) {
  const chance = likelihood(nats / Math.LN2);
  if (rarer === null || rarer === undefined) return t("Your picture has a chance of {chance}.", { chance });
  const share = percent(Math.min(MOST_SHARE, 1 - rarer));
  return t("Your picture has a chance of {chance}: it is more surprising than {share} of pictures of its kind.", {
    chance,
    share,
  });
}

/**
 * Return a chance of 2^-bits in words, such as "1 in 1,000".
 *
 * @param {number} bits - At least 0.
 */
export function likelihood(bits) {
  if (bits < LEAST_BITS) return t("nearly 1");
  const tens = bits * Math.LOG10E * Math.LN2;
  if (tens < 5)
    return t("1 in {count}", { count: formatNumber(Math.round(10 ** tens), { maximumSignificantDigits: 2 }) });
  const power = String(Math.round(tens)).replace(/\d/g, (digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(digit)]);
  return t("1 in 10{power}", { power });
}

/** Chance of white from which the words apply. @type {[number, string][]} */
const SURENESS = [
  [0.99, t("almost certainly white")],
  [0.85, t("very likely white")],
  [0.6, t("rather white")],
  [0.4, t("as likely white as black")],
  [0.15, t("rather black")],
  [0.01, t("very likely black")],
  [0, t("almost certainly black")],
];

/**
 * Return how likely white is in plain words.
 *
 * @param {number} white - Its chance, 0 to 1.
 */
export function sureness(white) {
  return SURENESS.find(([least]) => white >= least)?.[1] ?? "";
}

/**
 * Return what a drawn pixel cost as a sentence.
 *
 * @param {number} bits - Surprise of its colour.
 * @param {boolean | null} isWhite - Whether it is white; null for a picture in colours.
 */
export function costOfPixel(bits, isWhite) {
  const facts = { percent: percent(2 ** -bits), bits: formatFixed(bits, 1) };
  if (isWhite === null) return t("This colour had {percent} here: {bits} bits", facts);
  return isWhite
    ? t("White had {percent} here: {bits} bits", facts)
    : t("Black had {percent} here: {bits} bits", facts);
}

/**
 * Return a share as a percentage with two significant digits; one below 0.01 % as "<
 * 0.01%".
 *
 * @param {number} share - From 0 to 1.
 */
export function percent(share) {
  const least = share > 0 && share < LEAST_SHARE;
  return `${least ? "< " : ""}${formatNumber(least ? LEAST_SHARE : share, { style: "percent", maximumSignificantDigits: 2 })}`;
}
