/** A way through the page, for whoever sees it for the first time: each stop names the next one. */

import { find } from "./dom.js";
import { say, t } from "../lang.js";

/** Places behind #, and what is done there. */
const STOPS = /** @type {const} */ ([
  ["watch", t("Watch one come")],
  ["bet", t("Bet against it")],
  ["ink", t("Begin one yourself")],
  ["real", t("Characters that never were")],
  ["inspect", t("Look inside")],
]);
const AFTERWARDS = /** @type {const} */ (["sample", t("Draw what you like")]);

/** @param {string} place where the reader is, behind # */
export function showTour(place) {
  const bar = find(document, "#tour");
  const at = STOPS.findIndex(([stop]) => stop === (place || STOPS[0][0]));
  bar.hidden = at < 0;
  if (at < 0) return;
  const [next, title] = STOPS[at + 1] ?? AFTERWARDS;
  find(bar, "b").textContent = t("{number} of {all}", { number: say(at + 1), all: say(STOPS.length) });
  find(bar, ".stop").textContent = ` · ${STOPS[at][1]}`;
  const link = find(bar, "a");
  link.href = `#${next}`;
  link.textContent = t("Next: {title}", { title });
}
