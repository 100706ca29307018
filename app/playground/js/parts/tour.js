/** A way through the page, for whoever sees it for the first time: each stop leads to the next one. */

import { t } from "../lang.js";
import { find } from "./dom.js";

/** Each place behind #, where it leads, and what is done there. @type {Record<string, [string, string]>} */
const NEXT = {
  "": ["bet", t("Bet against it")],
  watch: ["bet", t("Bet against it")],
  bet: ["ink", t("Begin one yourself")],
  ink: ["real", t("Characters that never were")],
  real: ["inspect", t("Look inside")],
  inspect: ["sample", t("Draw what you like")],
};

/** @param {string} place where the reader is, behind # */
export function showTour(place) {
  const link = find(document, "#tour a");
  const [next, title] = NEXT[place] ?? [];
  link.parentElement.hidden = !next;
  link.href = `#${next}`;
  link.textContent = t("Next: {title}", { title: title ?? "" });
}
