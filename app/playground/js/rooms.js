/**
 * The rooms of the page, and the views in each, as they stand in the tabs.
 *
 * Another view of the workbench is one file in views/, which exports what is said of it here (a `View`), and its name in
 * the list of that room. Nothing else knows of it: section, tab and address are made from this list.
 */

import { el } from "./parts/dom.js";
import { t } from "./lang.js";
import { BetView } from "./views/bet_view.js";
import { CompareView } from "./views/compare_view.js";
import { completeView } from "./views/complete_view.js";
import { HistoryView } from "./views/history_view.js";
import { InkView } from "./views/ink_view.js";
import { InspectView } from "./views/inspect_view.js";
import { PanoramaView } from "./views/panorama_view.js";
import { RealView } from "./views/real_view.js";
import { sampleView } from "./views/sample_view.js";
import { SightView } from "./views/sight_view.js";
import { upsampleView } from "./views/upsample_view.js";
import { WatchView } from "./views/watch_view.js";
import { enlarges } from "./service/kinds.js";

/** @import {Opened, Shared, View} from "./types" */

/** @type {View[][]} */
export const ROOMS = [
  [{ place: "watch", title: t("Watch"), make: (element, shared) => new WatchView(element, shared) }],
  [{ place: "bet", title: t("Bet"), make: (element, shared) => new BetView(element, shared) }],
  [
    { place: "ink", title: t("Begin one yourself"), make: (element, shared) => new InkView(element, shared) },
    {
      place: "complete",
      needsService: true,
      title: t("Complete a picture"),
      lead: t("Make a part of a picture unknown, and see how the model would fill it."),
      empty: t("The completions appear here beside the original, the likeliest first."),
      make: completeView,
    },
    {
      place: "upsample",
      needsService: true,
      title: t("Enlarge a doodle"),
      lead: t("Paint a small picture, and the network makes large ones of it."),
      empty: t("The large images appear here: the small picture shines through until its rows are drawn."),
      isOffered: (models) => models.some(enlarges),
      make: upsampleView,
    },
  ],
  [{ place: "real", title: t("Real or not"), make: (element, shared) => new RealView(element, shared) }],
  [
    {
      place: "inspect",
      title: t("What surprises it"),
      lead: t("What the network expected: how many bits each pixel costs, and what else it could have been."),
      empty: t("The heat map of a picture appears here. Bright pixels surprised the model; dark ones it saw coming."),
      make: (element, shared) => new InspectView(element, shared),
    },
    {
      place: "sight",
      needsService: true,
      title: t("What it sees"),
      make: (element, shared) => new SightView(element, shared),
    },
  ],
  [
    {
      place: "sample",
      title: t("Sample"),
      lead: t("New images from nothing: each pixel is drawn given all those above it and to its left."),
      empty: t("Draw, and watch the rows arrive. The same seed draws the same images again, to the byte."),
      make: sampleView,
    },
    {
      place: "compare",
      needsService: true,
      title: t("Compare"),
      lead: t("The same seeds, drawn by several models or at several temperatures: what differs is theirs."),
      empty: t("A row for each appears here. Images in one column grow from the same throws of the dice."),
      make: (element, shared) => new CompareView(element, shared),
    },
    {
      place: "panorama",
      needsService: true,
      title: t("Panorama"),
      lead: t("One wide picture that goes on below, drawn row by row for as long as you scroll."),
      empty: t("The picture unrolls here. Its address opens the same one again, to the byte."),
      isOffered: (models) => models.some(({ field }) => field),
      make: (element, shared) => new PanoramaView(element, shared),
    },
    {
      place: "history",
      needsService: true,
      title: t("History"),
      make: (element, shared) => new HistoryView(element, shared),
    },
  ],
];

/** Where a view is: in the page, or, of a form beside a stage, made for it. @param {View} view @returns {HTMLElement} */
export function sectionOf({ place, title, lead, empty = "" }) {
  const id = `view-${place}`;
  const there = document.getElementById(id);
  if (there || !lead) return /** @type {HTMLElement} */ (there);
  const heading = el("h1", { id: `title-${place}` }, title);
  const form = el("form", { noValidate: true }, heading, el("p", { class: "lead" }, lead));
  const stage = el("div", { class: "stage" }, el("p", { class: "empty" }, empty));
  const section = el("section", { id, class: "view", "aria-labelledby": heading.id, hidden: true }, form, stage);
  document.querySelector("#tour")?.before(section);
  return section;
}
