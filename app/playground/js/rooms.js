/**
 * The rooms of the page and the views in each room, in the order of the tabs.
 *
 * To add a view, write a file in views/ and declare it here as a `View` (types.d.ts).
 * Its section, its tab and its address are made from this list.
 */

import { el } from "./parts/dom.js";
import { t } from "./lang.js";
import { modelsFor } from "./service/choice.js";
import { DrawView } from "./views/draw_view.js";
import { Unreachable } from "./service/problems.js";

/** @import {ViewInstance, View} from "./types" */

/** Explanation for code of a view that a server that answers does not deliver. */
const NOT_LOADED = t(
  "This part of the page could not be loaded. The server may have been upgraded since the page was opened: load the page again.",
);

/**
 * Rooms, each a list of its views. Names of views of earlier versions are aliases.
 *
 * @type {View[][]}
 */
export const ROOMS = [
  [
    {
      place: "draw",
      aliases: ["watch", "ink"],
      title: t("Draw"),
      make: (element, shared) => new DrawView(element, shared),
    },
  ],
  [
    {
      place: "real",
      title: t("Real or not"),
      isOffered: (models) => modelsFor("guess", models).length > 0,
      make: (element, shared) =>
        whenLoaded(import("./views/real_view.js"), (view) => new view.RealView(element, shared)),
    },
    {
      place: "bet",
      title: t("How likely is white?"),
      isOffered: (models) => modelsFor("bet", models).length > 0,
      make: (element, shared) => whenLoaded(import("./views/bet_view.js"), (view) => new view.BetView(element, shared)),
    },
  ],
  [
    {
      place: "inspect",
      aliases: ["sight"],
      title: t("Look inside"),
      lead: t("Choose a pixel: what it cost, what else it could have been, and which pixels before it mattered."),
      empty: t("The heat map of a picture appears here. Bright pixels surprised the model; dark ones it saw coming."),
      make: (element, shared) =>
        whenLoaded(import("./views/inspect_view.js"), (view) => new view.InspectView(element, shared)),
    },
  ],
  [
    {
      place: "teach",
      needsService: true,
      title: t("Teach"),
      lead: t("A network learns from your pictures, in minutes, to draw more like them; then it is served here."),
      empty: t(
        "What the network draws appears here, better from minute to minute. Above, digits like those that a network learned from; then what it drew after one minute, after six and after an hour.",
      ),
      make: (element, shared) =>
        whenLoaded(import("./views/teach_view.js"), (view) => new view.TeachView(element, shared)),
    },
  ],
  [
    {
      place: "sample",
      title: t("Sample"),
      lead: t("New images from nothing: each pixel is drawn given all those above it and to its left."),
      empty: t("Draw, and watch the rows arrive. The same seed draws the same images again, to the byte."),
      aliases: ["history", "compare", "panorama", "upsample"],
      make: (element, shared) =>
        whenLoaded(import("./views/sample_view.js"), (view) => new view.SampleView(element, shared)),
    },
    {
      place: "complete",
      title: t("Complete"),
      lead: t("Make a part of a picture unknown, and see how the model would fill it."),
      empty: t("The completions appear here beside the original, the likeliest first."),
      make: (element, shared) =>
        whenLoaded(import("./views/complete_view.js"), (view) => new view.CompleteView(element, shared)),
    },
  ],
];

/** The room of games, at #game: it opens with the first that a model here can play. */
export const GAME = ROOMS[1];

/**
 * Return a view made by code that is fetched only when the view is opened.
 *
 * @template Code
 * @param {Promise<Code>} code
 * @param {(code: Code) => ViewInstance} make
 * @returns {Promise<ViewInstance>}
 * @throws {Unreachable} if the code cannot be loaded. The usual explanation is replaced
 *     if the server answers: after an upgrade the code does not fit the modules that
 *     are loaded already, or it is gone, and another attempt would fail as well.
 */
function whenLoaded(code, make) {
  return code.then(make, async () => {
    throw new Unreachable((await doesServerAnswer()) ? NOT_LOADED : "");
  });
}

/** Return true if the page's server answers now. */
async function doesServerAnswer() {
  try {
    const answer = await fetch(location.href, { method: "HEAD", cache: "no-store" });
    // A proxy answers in place of a server that is restarting.
    return answer.status < 500;
  } catch {
    return false;
  }
}

/**
 * Return the section element of a view: the one in index.html, or else a new one, which
 * is added to the page.
 *
 * A new section has the view's title and lead above a form, and a stage beside it.
 *
 * @param {View} view - Declaration of the view.
 * @returns {HTMLElement}
 */
export function sectionOf({ place, title, lead, empty = "" }) {
  const id = `view-${place}`;
  const there = document.getElementById(id);
  if (there || !lead) return /** @type {HTMLElement} */ (there);
  const heading = el("h1", { id: `title-${place}` }, title);
  const form = el("form", { noValidate: true }, heading, el("p", { class: "lead" }, lead));
  const stage = el("div", { class: "stage" }, el("div", { class: "empty" }, el("span"), el("p", {}, empty)));
  const section = el("section", { id, class: "view", "aria-labelledby": heading.id, hidden: true }, form, stage);
  document.querySelector("main")?.append(section);
  return section;
}
