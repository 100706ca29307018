/** What can go wrong, in words for the person in front of the page, and the field that the words belong beside. */

import { t } from "../lang.js";

/** @import {ProblemBody} from "../types" */

/** The server refused, and said why. */
export class Problem extends Error {
  /**
   * @param {ProblemBody} body
   * @param {number} retryAfter seconds; 0 = it did not say
   */
  constructor(body, retryAfter = 0) {
    super(body.detail);
    this.body = body;
    this.slug = body.type.split(":").pop() ?? "";
    this.retryAfter = retryAfter;
  }
}

/** The server did not answer at all. */
export class Unreachable extends Error {}

/** Something in the page's own fields is not right yet. */
export class FieldTrouble extends Error {
  /**
   * @param {string} field
   * @param {string} text
   */
  constructor(field, text) {
    super(text);
    this.field = field;
  }
}

/** @type {Record<string, string>} */
const FIELD_OF = {
  "unreadable-image": "image",
  "unusable-image": "image",
  "too-large": "image",
  "wrong-size": "image",
  "nothing-to-fill": "mask",
  "unknown-model": "model",
};

/** @type {Record<string, string>} */
const WORDS = {
  "no-worker": t("No worker is running, so nothing can be drawn. Start one with “pixelrnn worker”, then try again."),
  "queue-full": t("The queue is full: too many images wait already."),
  "store-full": t("The server has no memory left for more jobs. Finished ones make room as they expire."),
  "store-down": t("The server cannot reach its job store at the moment."),
  "too-many-requests": t("That was too fast for this server."),
  "too-many-open-jobs": t("You have as many open jobs as this server allows. Let some finish, or cancel them."),
  "too-many-streams": t("Too many pictures are being watched at once on this server."),
  "expired-job": t("This job is no longer kept. The same settings and seed draw the same picture again."),
  "unknown-job": t("There is no such job on this server; it may have been deleted."),
  "unknown-model": t("No running worker has this model any more. Choose another one."),
  "unreadable-image": t("This file cannot be read as a picture. PNG, JPEG and WebP files work."),
  "nothing-to-fill": t("Nothing is marked to be filled yet. Paint a hole first."),
  unauthorized: t("This server asks for a key, and this one did not fit."),
};

/**
 * What to say, and beside which field ("" = beside the button).
 *
 * @param {unknown} error
 * @returns {{text: string, field: string}}
 */
export function explain(error) {
  if (error instanceof FieldTrouble) return { text: error.message, field: error.field };
  if (error instanceof Unreachable) {
    const away = t("The server does not answer. It may be restarting; try again in a moment.");
    return { text: error.message || away, field: "" };
  }
  if (!(error instanceof Problem)) {
    console.error(error); // a fault of the page: said, and not passed over
    return { text: t("Something on this page went wrong: {what}", { what: String(error) }), field: "" };
  }
  const first = error.body.errors?.[0];
  if (first) return { text: sentence(first.detail), field: first.pointer.split("/").pop() ?? "" };
  const text = WORDS[error.slug] ?? sentence(error.body.detail || error.body.title);
  const later = error.retryAfter > 1 ? ` ${t("Try again in {seconds} seconds.", { seconds: error.retryAfter })}` : "";
  return { text: text + later, field: FIELD_OF[error.slug] ?? "" };
}

/**
 * With a capital and a full stop.
 *
 * @param {string} text
 */
function sentence(text) {
  const begun = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}
