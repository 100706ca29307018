/** Errors, and the sentences that explain them to the person in front of the page. */

import { t } from "../lang.js";

/** @import {ProblemBody} from "../types" */

/**
 * The server refused a request and said why. `Api` raises it.
 *
 * `body` is the problem document, `slug` the last part of its type, `retryAfter` the
 * seconds after which to try again, 0 if the server did not say.
 */
export class Problem extends Error {
  /**
   * @param {ProblemBody} body - The problem document of the response.
   * @param {number} retryAfter - Seconds after which to try again; 0 if the server did
   *     not say.
   */
  constructor(body, retryAfter = 0) {
    super(body.detail);
    this.body = body;
    this.slug = body.type.split(":").pop() ?? "";
    this.retryAfter = retryAfter;
  }
}

/**
 * The server did not answer. `Api` raises it; a message replaces the usual explanation.
 */
export class Unreachable extends Error {}

/**
 * Something in the page's own form is not right yet, or a question cannot be answered.
 * Raised by forms and backends.
 *
 * `field` is the name of the form's field, "" for the whole form; the message is a
 * sentence for the person.
 */
export class FieldTrouble extends Error {
  /**
   * @param {string} field - Name of the field beside which the sentence is shown; "" to
   *     show it beside the button.
   * @param {string} text
   */
  constructor(field, text) {
    super(text);
    this.field = field;
  }
}

/**
 * Slug of a problem -> field that causes it.
 *
 * @type {Record<string, string>}
 */
const FIELD_OF = {
  "unreadable-image": "image",
  "unusable-image": "image",
  "too-large": "image",
  "wrong-size": "image",
  "nothing-to-fill": "mask",
  "unknown-model": "model",
};

/**
 * Slug of a problem -> sentence. The server's own detail is shown for the others.
 *
 * @type {Record<string, string>}
 */
const WORDS = {
  "no-worker": t("No worker is running, so nothing can be drawn. Start one with “pixelrnn worker”, then try again."),
  "queue-full": t("The queue is full: too many images wait already."),
  closed: t("An operator has stopped new jobs for a while. Jobs that were accepted go on."),
  "store-full": t("There is no memory left for your jobs on this server. Finished ones make room as they expire."),
  "store-down": t("The server cannot reach its job store at the moment."),
  "too-many-requests": t("Those were too many requests, or too many wrong keys, in a short time."),
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
 * Return the sentence that explains an error, and the field beside which to show it.
 *
 * An error that is neither Problem, Unreachable nor FieldTrouble is a fault of the
 * page: it is also printed on the console.
 *
 * @param {unknown} error - Anything that was thrown.
 * @returns {{text: string, field: string}} `text`: the sentence; `field`: name of a
 *     field, or "" for the place beside the button.
 */
export function explain(error) {
  if (error instanceof FieldTrouble) return { text: error.message, field: error.field };
  if (error instanceof Unreachable) {
    const away = t("The server does not answer. It may be restarting; try again in a moment.");
    return { text: error.message || away, field: "" };
  }
  if (!(error instanceof Problem)) {
    console.error(error);
    return { text: t("Something on this page went wrong: {what}", { what: String(error) }), field: "" };
  }
  const first = error.body.errors?.[0];
  if (first) return { text: sentence(first.detail), field: first.pointer.split("/").pop() ?? "" };
  const text = WORDS[error.slug] ?? sentence(error.body.detail || error.body.title);
  const later = error.retryAfter > 1 ? ` ${t("Try again in {seconds} seconds.", { seconds: error.retryAfter })}` : "";
  return { text: text + later, field: FIELD_OF[error.slug] ?? "" };
}

/**
 * Return a text with a capital letter at the beginning and a full stop at the end.
 *
 * @param {string} text
 */
function sentence(text) {
  const capitalised = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(capitalised) ? capitalised : `${capitalised}.`;
}
