/** The page put together: which view is shown, what they share, and what goes on around them. */

import { Api } from "./service/api.js";
import { BetView } from "./views/bet_view.js";
import { CompareView } from "./views/compare_view.js";
import { completeView } from "./views/complete_view.js";
import { announce, find, seen } from "./parts/dom.js";
import { DrawingView } from "./views/drawing_view.js";
import { History } from "./service/history.js";
import { HistoryView } from "./views/history_view.js";
import { receiveFiles } from "./parts/incoming.js";
import { InkView } from "./views/ink_view.js";
import { InspectView } from "./views/inspect_view.js";
import { KeyDialog } from "./parts/key_dialog.js";
import { enlarges } from "./service/kinds.js";
import { offerLanguages, say, t, translatePage } from "./lang.js";
import { settingsOf, textOf } from "./pixels/png_text.js";
import { explain } from "./service/problems.js";
import { sampleView } from "./views/sample_view.js";
import { RealView } from "./views/real_view.js";
import { recipeFrom } from "./service/share.js";
import { SightView } from "./views/sight_view.js";
import { Signal } from "./signal.js";
import { showTour } from "./parts/tour.js";
import { upsampleView } from "./views/upsample_view.js";
import { WatchView } from "./views/watch_view.js";

/** @import {Info, Model} from "./types" */

const LOOK_MS = 5000;
const LOOK_AGAIN_MS = 1000; // while models are compiled, or no worker is there yet
/** So long after it was opened, the page takes a service without workers for one that starts. */
const STARTING_MS = 30_000;
const FIRST = "watch";
const WHERE_PICTURES_GO = "complete";

translatePage();
const api = new Api();
const history = new History();
const world = {
  api,
  history,
  models: new Signal(/** @type {Model[] | null} */ (null)),
  info: new Signal(/** @type {Info | null} */ (null)),
  isOnline: new Signal(false),
};
const views = makeViews();
const keyDialog = new KeyDialog();
api.askForKey = () => keyDialog.ask();

/** @param {string} name */
function section(name) {
  return find(document, `#view-${name}`);
}

/** @param {string} name */
function shared(name) {
  return { ...world, onJob: (/** @type {string} */ id) => show(`${name}/${id}`), onSend: send };
}

function makeViews() {
  return new Map(
    Object.entries({
      watch: new WatchView(section("watch"), shared("watch")),
      bet: new BetView(section("bet"), shared("bet")),
      ink: new InkView(section("ink"), shared("ink")),
      real: new RealView(section("real"), shared("real")),
      sample: sampleView(section("sample"), shared("sample")),
      complete: completeView(section("complete"), shared("complete")),
      upsample: upsampleView(section("upsample"), shared("upsample")),
      inspect: new InspectView(section("inspect"), shared("inspect")),
      sight: new SightView(section("sight"), shared("sight")),
      compare: new CompareView(section("compare"), shared("compare")),
      history: new HistoryView(section("history"), shared("history")),
    }),
  );
}

/** A job of the view that is shown already takes the place of the one before: Back leads out of the view. @param {string} place */
function show(place) {
  const isHere = !section(place.split("/")[0]).hidden;
  globalThis.history[isHere ? "replaceState" : "pushState"](null, "", `#${place}`);
  route();
}

/** #VIEW or #VIEW/JOB; #VIEW?... a recipe; #inspect/JOB/JOB for what was drawn from a score. A tab leads back to its last job. */
function route() {
  const [path, query] = location.hash.slice(1).split("?");
  const [name, jobId, redrawnId] = path.split("/");
  const wanted = views.has(name) ? name : FIRST;
  if (section(wanted).hidden) scrollTo(0, 0);
  for (const [other, left] of views) {
    const isLeft = other !== wanted && !section(other).hidden;
    section(other).hidden = other !== wanted;
    if (isLeft && "leave" in left) left.leave();
  }
  showTour(path);
  for (const link of document.querySelectorAll(".tabs a")) {
    const [place] = /** @type {HTMLAnchorElement} */ (link).hash.slice(1).split("/");
    if (place !== wanted) link.removeAttribute("aria-current");
    else link.setAttribute("aria-current", "page");
    if (place === wanted) showTab(link);
    if (place === wanted && jobId) link.setAttribute("href", location.hash);
    if (place === wanted) document.title = `${link.textContent} · pixelrnn`;
  }
  const view = views.get(wanted);
  const any = /** @type {InspectView | undefined} */ (view); // all are opened alike
  if (jobId || !(view instanceof DrawingView)) any?.open(jobId ?? "", redrawnId);
  const recipe = query && recipeFrom(wanted, query);
  if (recipe && view instanceof DrawingView) view.follow(recipe);
}

/** In the middle where not all have room; `scrollIntoView` would also move where Tab begins. @param {any} link */
function showTab(link) {
  const tabs = find(document, ".tabs");
  tabs.scrollLeft = link.offsetLeft - tabs.offsetLeft - (tabs.clientWidth - link.offsetWidth) / 2;
}

/** Who works, and with which models: asked now and again, because workers come and go. */
async function look() {
  await seen();
  const state = find(document, "#fleet");
  let again = LOOK_MS;
  try {
    const models = await api.models();
    const isStarting = !models.length && !world.models.value && performance.now() < STARTING_MS;
    // whoever watches them is told of news only
    if (!isStarting && JSON.stringify(models) !== JSON.stringify(world.models.value)) world.models.value = models;
    world.isOnline.value = true;
    if (!world.info.value) learnLimits();
    const ready = models.filter((model) => model.state === "ready").length;
    if (isStarting || ready < models.length) again = LOOK_AGAIN_MS;
    state.textContent = isStarting ? t("Starting…") : fleet(ready, models);
    state.dataset.state = ready ? "ready" : "waiting";
    state.title = models.length ? t("Held by running workers") : t("Nothing can be drawn until a worker runs");
  } catch (error) {
    world.isOnline.value = false;
    state.textContent = t("Not connected");
    state.dataset.state = "lost";
    state.title = explain(error).text;
  }
  setTimeout(look, again);
}

/** @param {number} ready @param {Model[]} models */
function fleet(ready, models) {
  const all = models.length;
  if (!all) return t("No worker");
  const counts = { ready: say(ready), all: say(all) };
  if (models.some((model) => model.state === "compiling")) return t("Compiling: {ready} of {all} models ready", counts);
  if (ready < all) return t("Loading: {ready} of {all} models ready", counts);
  return all === 1 ? t("1 model") : t("{count} models", { count: say(all) });
}

async function learnLimits() {
  try {
    world.info.value = await api.info();
  } catch {
    // the limits stay as the page has them; the server says no where it must
  }
}

/** A picture that came from here brings its settings back; any other one is for the view that takes pictures. @param {File} file */
async function take(file) {
  const settings = settingsOf(textOf(await file.slice(0, 65536).arrayBuffer()));
  if (settings) {
    const kept = history.drawnWith(settings);
    const kind = settings.kind || kept?.kind || "sample";
    const view = views.get(kind);
    location.hash = kind;
    if (view instanceof DrawingView) view.restore({ ...kept, ...settings }, kept?.given ?? {});
    const { seed, temperature } = settings;
    const facts = { name: file.name, seed, temperature: say(temperature, { maximumSignificantDigits: 17 }) };
    note(t("Settings of “{name}” restored: seed {seed}, temperature {temperature}.", facts));
    return;
  }
  const shown = [...views].find(([name, view]) => !section(name).hidden && "take" in view && view.take(file));
  if (shown) return;
  location.hash = WHERE_PICTURES_GO;
  const view = views.get(WHERE_PICTURES_GO);
  if (view instanceof DrawingView) view.take(file);
  note(t("“{name}” does not say how it was drawn, so it is a picture to complete here.", { name: file.name }));
}

/** A picture of the page, as what another view is about. @param {string} name @param {string} picture @param {string} model */
function send(name, picture, model) {
  location.hash = name;
  const view = views.get(name);
  if (view && "give" in view) view.give(picture, model);
}

/** @param {string} text */
function note(text) {
  const notice = find(document, "#notice");
  notice.hidden = false;
  notice.textContent = text;
  announce(text);
}

addEventListener("hashchange", route);
addEventListener("pagehide", () => api.takeAllBack());
addEventListener("pageshow", ({ persisted }) => persisted && location.reload()); // its questions were taken back
addEventListener("submit", () => (find(document, "#notice").hidden = true));
receiveFiles(take);
find(document, ".skip").addEventListener("click", (/** @type {Event} */ event) => {
  event.preventDefault(); // the address names the view
  find(document, "main").focus();
});
world.models.watch((models) => {
  find(document, '.tabs a[href^="#upsample"]').hidden = !models?.some(enlarges);
});
offerLanguages(find(document, "#language"));
route();
look();
