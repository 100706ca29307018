/**
 * Put the page together: show the view that the address names, poll the models, and
 * receive files.
 */

import { offerLanguages, formatNumber, t, translatePage } from "./lang.js";
import { announce, el, find, isTextInput } from "./parts/dom.js";
import { textOf } from "./pixels/png_text.js";
import { canvasOf } from "./pixels/raster.js";
import { GAME, ROOMS, sectionOf } from "./rooms.js";
import { Api, untilVisible } from "./service/api.js";
import { Backend } from "./service/backend.js";
import { Folder } from "./service/folder.js";
import { History } from "./service/history.js";
import { explain, Unreachable } from "./service/problems.js";
import { settingsOf } from "./service/settings.js";
import { recipeFrom } from "./service/share.js";
import { Signal } from "./signal.js";
import { lasting } from "./storage.js";

/** @import {Info, Model, ViewInstance, View} from "./types" */

/** Milliseconds between two requests for the models. */
const LOOK_MS = 5000;
/** The same while models are compiled or no worker has started. */
const LOOK_AGAIN_MS = 1000;
/** Milliseconds after opening during which a service without workers counts as starting. */
const STARTING_MS = 30_000;
/** The view of an address that names none. */
const FIRST = "draw";
/** Ending of files of coded pictures. */
const CODED = ".pxrn";
/** Earlier views -> the calls that do what they did. @type {Record<string, string>} */
const EARLIER = { panorama: "POST /sample, size", upsample: "POST /upsample", compare: "POST /sample, seed" };
/** Views that take a picture file, the preferred one first. */
const WHERE_PICTURES_GO = ["complete", "inspect"];

translatePage();
const { folder } = document.body.dataset;
const api = folder ? new Folder(folder) : new Api();
const history = new History();
const world = {
  api,
  history,
  models: new Signal(/** @type {Model[] | null} */ (null)),
  info: new Signal(/** @type {Info | null} */ (null)),
  isOnline: new Signal(false),
};
const shared = { ...world, backend: new Backend(world) };
const sections = new Map(ROOMS.flat().map((view) => [view.place, sectionOf(view)]));
/**
 * Section -> its view, once it was opened; null if its code could not be fetched.
 *
 * @type {Map<HTMLElement, Promise<ViewInstance | null>>}
 */
const instances = new Map();
/**
 * Name of a view -> address of the job that it showed last.
 *
 * @type {Map<string, string>}
 */
const lastPlaces = new Map();
/** Name of the view that is shown. */
let currentPlace = FIRST;
/** What has to change before the notice no longer holds: the address, or the connection. */
let noticeHangsOn = /** @type {"" | "address" | "connection"} */ ("");
api.askForKey = askForKey;

/**
 * The open question for a key, so that it is asked once.
 *
 * @type {Promise<string> | null}
 */
let keyQuestion = null;

/**
 * Ask for the key of a server that requires one. Return "" if the person has none.
 *
 * One question is open at a time, however many requests wait for the answer.
 *
 * @returns {Promise<string>} The key; "" if the person has none.
 */
function askForKey() {
  const dialog = /** @type {HTMLDialogElement} */ (find(document, "#key"));
  keyQuestion ??= new Promise((resolve) => {
    const input = find(dialog, "input");
    input.value = "";
    const close = () => {
      keyQuestion = null;
      resolve(dialog.returnValue === "use" ? input.value.trim() : "");
    };
    dialog.addEventListener("close", close, { once: true });
    dialog.returnValue = "";
    dialog.showModal();
  });
  return keyQuestion;
}

/**
 * Return the declaration of a view by its name or an earlier name; null if it needs a
 * service and there is none.
 *
 * @param {string} name
 */
function viewAt(name) {
  const isNamed = (/** @type {View} */ { place, aliases = [] }) => place === name || aliases.includes(name);
  const view = name === "game" ? (GAME.find(isOffered) ?? GAME[0]) : ROOMS.flat().find(isNamed);
  return view && (api.hasService || !view.needsService) ? view : null;
}

/**
 * Return true if a model here suits a view. Until the models are known, all views count.
 *
 * @param {View} view
 */
function isOffered({ isOffered: suits }) {
  const models = world.models.value;
  return !models || !suits || suits(models);
}

/**
 * Return the section of a view; of an unknown name, that of the first view.
 *
 * @param {string} name
 */
function section(name) {
  return /** @type {HTMLElement} */ (sections.get(viewAt(name)?.place ?? FIRST));
}

/**
 * Return the parts of the address, and the name of the view that it leads to (`wanted`).
 */
function addressParts() {
  const [path, query] = location.hash
    .slice(1)
    .replace(/^model=/, "sample?$&")
    // Links of folders that earlier versions exported begin with #model=.
    .split("?");
  const [name, jobId = "", further] = path.split("/");
  return { name, jobId, further, query, wanted: viewAt(name)?.place ?? FIRST };
}

/**
 * Return a view, making it if necessary; null if its code cannot be fetched.
 *
 * @param {string} name
 * @returns {Promise<ViewInstance | null>}
 */
function instanceOf(name) {
  const { place, make } = viewAt(name) ?? ROOMS[0][0];
  const element = section(place);
  const known = instances.get(element);
  if (known) return known;
  element.classList.add("pending");
  const onJob = (/** @type {string} */ id, also = place) => show(`${also}/${id}`);
  const view = Promise.resolve(make(element, { ...shared, onJob, onSend: send, onFile: takeFile })).then(
    (done) => {
      element.classList.remove("pending");
      return done;
    },
    (error) => {
      // The next attempt may find the code.
      instances.delete(element);
      note(explain(error).text);
      if (error instanceof Unreachable && !error.message) noticeHangsOn = "connection";
      return null;
    },
  );
  instances.set(element, view);
  return view;
}

/**
 * Show a view's job in the address, in place of the job before, so that Back leaves the
 * view.
 *
 * If the reader has gone to another view since they asked for the job, the address stays;
 * the job is shown when they come back.
 *
 * @param {string} place
 */
function show(place) {
  const wanted = viewAt(place.split("/")[0])?.place ?? FIRST;
  if (wanted !== addressParts().wanted) return keepPlace(wanted, `#${place}`);
  globalThis.history.replaceState(null, "", `#${place}`);
  route();
}

/**
 * Let the links to a view that is hidden lead to a job of it.
 *
 * @param {string} place - Name of the view.
 * @param {string} address - Address of the job.
 */
function keepPlace(place, address) {
  const before = addressOf(place);
  lastPlaces.set(place, address);
  for (const link of document.querySelectorAll("header a"))
    if (link.getAttribute("href") === before) link.setAttribute("href", address);
  showRoom(currentPlace);
}

/**
 * Show the view that the address names.
 *
 * #VIEW, #VIEW/JOB, #VIEW?RECIPE, or #inspect/JOB/JOB for images that were drawn from a
 * score.
 */
async function route() {
  const address = location.hash;
  const { name, jobId, further, query, wanted } = addressParts();
  if (noticeHangsOn === "address") hideNotice();
  if (section(wanted).hidden) scrollTo(0, 0);
  currentPlace = wanted;
  for (const other of new Set(sections.values())) {
    const isLeft = other !== section(wanted) && !other.hidden;
    other.hidden = other !== section(wanted);
    if (isLeft) instances.get(other)?.then((left) => left?.leave?.());
  }
  if (jobId) lastPlaces.set(wanted, address);
  showRoom(wanted);
  const view = await instanceOf(wanted);
  // The reader may have gone elsewhere while the code was fetched.
  if (location.hash !== address) return;
  // The pad is fetched too: until it is there, nothing is shown that it would replace.
  await view?.open(jobId, further, name);
  delete document.documentElement.dataset.elsewhere;
  if (EARLIER[name]) {
    note(t("This page no longer has that view; the API does it: {call}.", { call: EARLIER[name] }));
    noticeHangsOn = "address";
    return;
  }
  const recipe = query ? recipeFrom(name, query) : null;
  const seed = new URLSearchParams(GAME.some(({ place }) => place === wanted) ? jobId : "").get("seed") ?? "0";
  const isUnknown = name !== "" && !viewAt(name);
  if (recipe) view?.follow?.(recipe);
  else if (query !== undefined || isUnknown || !Number.isSafeInteger(Number(seed))) {
    const wrong = t("This link does not say what is to be drawn: a part of it is missing or wrong.");
    note(isUnknown ? t("There is no “{name}” on this page.", { name }) : wrong);
    noticeHangsOn = "address";
  }
}

/**
 * Mark the tab of a view's room, and show the links to the room's other views.
 *
 * @param {string} wanted
 */
function showRoom(wanted) {
  const tabs = [...document.querySelectorAll("header :is(.tabs, .aside) a")];
  for (const [i, room] of ROOMS.entries()) {
    const view = room.find(({ place }) => place === wanted);
    tabs[i].toggleAttribute("hidden", !room.some(({ place }) => viewAt(place)));
    if (!view) tabs[i].removeAttribute("aria-current");
    if (!view) continue;
    tabs[i].setAttribute("aria-current", "page");
    tabs[i].setAttribute("href", addressOf(wanted));
    showCorners(room, wanted);
    document.title = `${view.title} · pixelrnn`;
  }
}

/**
 * Show links to the views of a room, if there are several.
 *
 * @param {View[]} room
 * @param {string} wanted
 */
function showCorners(room, wanted) {
  const bar = find(document, ".corners");
  const offered = room.filter((view) => view.place === wanted || (viewAt(view.place) && isOffered(view)));
  const key = [wanted, ...offered.map(({ place }) => addressOf(place))].join(" ");
  // Unchanged links stay, because one of them may have the focus.
  if (bar.dataset.shown === key) return;
  bar.dataset.shown = key;
  bar.hidden = offered.length < 2;
  const links = offered.map(({ place, title }) => {
    const link = el("a", { href: addressOf(place) }, title);
    if (place === wanted) link.setAttribute("aria-current", "page");
    return link;
  });
  bar.replaceChildren(...links);
}

/**
 * Return the address at which a view was left.
 *
 * @param {string} place
 */
function addressOf(place) {
  return lastPlaces.get(place) ?? `#${place}`;
}

/** Ask the server for its models, show its state, and do the same again later. */
async function pollModels() {
  await untilVisible();
  const state = find(document, "#fleet");
  let again = LOOK_MS;
  try {
    const learn = (/** @type {Info} */ info) => (world.info.value = info);
    // Without an answer the page keeps its own limits.
    const limits = world.info.value ?? api.info().then(learn, () => {});
    const [models] = await Promise.all([api.models(), limits]);
    const isStarting = !models.length && !world.models.value && performance.now() < STARTING_MS;
    // This comes before the models, because their listeners ask whether the server
    // answers.
    world.isOnline.value = true;
    // Listeners are called only if the models have changed.
    if (!isStarting && JSON.stringify(models) !== JSON.stringify(world.models.value)) world.models.value = models;
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
  if (api.hasService || !world.models.value) setTimeout(pollModels, again);
}

/**
 * Return the words for the state of the server's models.
 *
 * @param {number} ready - Number of models that are ready.
 * @param {Model[]} models
 */
function fleet(ready, models) {
  const all = models.length;
  if (!api.hasService) return t("In your browser");
  if (!all) return t("No worker");
  const counts = { ready: formatNumber(ready), all: formatNumber(all) };
  if (models.some((model) => model.state === "compiling")) return t("Compiling: {ready} of {all} models ready", counts);
  if (ready < all) return t("Loading: {ready} of {all} models ready", counts);
  return all === 1 ? t("1 model") : t("{count} models", { count: formatNumber(all) });
}

/**
 * Take a file that was dropped, pasted or chosen, or say why that failed.
 *
 * @param {File} file
 */
async function takeFile(file) {
  try {
    await useFile(file);
  } catch (error) {
    const isUnreadable = error instanceof DOMException;
    const words = t("“{name}” cannot be read: it was moved, or it is damaged.", { name: file.name });
    note(isUnreadable ? words : explain(error).text);
  }
}

/**
 * Use a file: a picture that was drawn here brings its settings back into the form; any
 * other picture goes to a view that takes pictures.
 *
 * @param {File} file
 * @throws {DOMException} if it cannot be read.
 */
async function useFile(file) {
  if (file.name.endsWith(CODED)) return showCodedFile(file);
  const text = textOf(await file.slice(0, 65536).arrayBuffer());
  const settings = settingsOf(text);
  // A score's picture states settings, too, and an exported folder has fewer views.
  if (settings && (!settings.kind || (viewAt(settings.kind) && !EARLIER[settings.kind]))) {
    const jobs = history.drawnWith(settings);
    // Of several completions with one seed, the file does not say which picture it was given.
    const kept = settings.kind === "complete" && jobs.length > 1 ? null : jobs[0];
    const kind = settings.kind || kept?.kind || "sample";
    location.hash = kind;
    // The text of an earlier version's picture lacks some options; the history may have
    // them.
    const unsaid = text.version ? {} : { ...kept, first: 0 };
    (await instanceOf(kind))?.restore?.({ ...unsaid, ...settings }, kept?.given ?? {});
    const { seed, temperature } = settings;
    const facts = { name: file.name, seed, temperature: formatNumber(temperature, { maximumSignificantDigits: 17 }) };
    const restored = t("Settings of “{name}” restored: seed {seed}, temperature {temperature}.", facts);
    note(restored);
    if (kind === "sample") note(`${restored} ${await shared.backend.browser.verificationOf(settings.model, file)}`);
    return;
  }
  const { name } = file;
  const isDrawn = Boolean(text.model && text.seed);
  const unrepeatable = t(
    "“{name}” was drawn in a way that this page cannot repeat, so it is a picture to look at here.",
    { name },
  );
  if ((await instanceOf(currentPlace))?.take?.(file)) return void (isDrawn && note(unrepeatable));
  const place = WHERE_PICTURES_GO.find(viewAt) ?? FIRST;
  location.hash = place;
  (await instanceOf(place))?.take?.(file);
  const unknown = t("“{name}” does not say how it was drawn, so it is a picture to look at here.", { name });
  note(isDrawn ? unrepeatable : unknown);
}

/**
 * Let the service decode a file of coded pictures and show the pictures, or say why that
 * failed.
 *
 * @param {File} file
 */
async function showCodedFile(file) {
  if (!api.hasService)
    return note(t("A file of coded pictures is read by a service, or by the command: pixelrnn decode FILE"));
  try {
    const { images, job } = await shared.backend.service.decode(file, { signal: new AbortController().signal });
    const facts = { count: formatNumber(images.length), model: job?.model ?? "" };
    note(t("{count} pictures, without loss, decoded by {model}.", facts), ...images.map(canvasOf));
  } catch (error) {
    note(explain(error).text);
  }
}

/**
 * Open a view with a picture of the page.
 *
 * @param {string} name
 * @param {string} picture
 * @param {string} model
 * @param {number} [known] - Number of its first pixels that are drawn, of a picture
 *     that is not finished.
 */
async function send(name, picture, model, known) {
  location.hash = name;
  (await instanceOf(name))?.give?.(picture, model, name, known);
}

/**
 * Show a notice above the view.
 *
 * @param {string} text
 * @param {...Node} pictures
 */
function note(text, ...pictures) {
  const notice = find(document, "#notice");
  notice.hidden = false;
  notice.replaceChildren(text, ...pictures);
  noticeHangsOn = "";
  announce(text);
}

/** Hide the notice. */
function hideNotice() {
  find(document, "#notice").hidden = true;
  noticeHangsOn = "";
}

/**
 * Call a function with the first file that is dropped or pasted anywhere on the page.
 *
 * @param {(file: File) => void} take - Called with the file.
 */
function receiveFiles(take) {
  const mark = (/** @type {Event} */ event) => {
    event.preventDefault();
    document.body.classList.toggle("dragged-over", event.type === "dragover");
  };
  for (const name of ["dragover", "dragleave"]) addEventListener(name, mark);
  // A view may handle a drop by itself.
  addEventListener("drop", mark, { capture: true });
  addEventListener("drop", (event) => {
    const [item] = event.dataTransfer?.items ?? [];
    if (item?.webkitGetAsEntry()?.isDirectory) return note(t("Drop a single picture: only Teach takes a folder."));
    const file = event.dataTransfer?.files[0];
    if (file) take(file);
  });
  addEventListener("paste", (event) => {
    const file = event.clipboardData?.files[0];
    if (!file || isTextInput(event.target)) return;
    event.preventDefault();
    take(file);
  });
}

addEventListener("hashchange", route);
addEventListener("pagehide", () => api.cancelAll());
// The browser shows a page whose requests were canceled when it was left.
addEventListener("pageshow", ({ persisted }) => persisted && location.reload());
addEventListener("submit", hideNotice);
receiveFiles(takeFile);
find(document, ".skip").addEventListener("click", (/** @type {Event} */ event) => {
  // The link's own address would replace that of the view.
  event.preventDefault();
  const element = section(currentPlace);
  element.tabIndex = -1;
  element.focus();
});
offerLanguages(find(document, "#language"));
const light = find(document, "#light");
light.checked = document.documentElement.dataset.theme === "light";
light.addEventListener("change", () => {
  document.documentElement.dataset.theme = light.checked ? "light" : "dark";
  lasting.set("pixelrnn.light", light.checked ? "1" : "");
});
// index.html shows this notice until all modules are loaded.
find(document, "#late").remove();
route();
world.isOnline.watch((isBack) => {
  if (!isBack || noticeHangsOn !== "connection") return;
  hideNotice();
  route();
});
world.models.watch(() => {
  // The game that opened before the models were known may have none.
  if (addressParts().wanted !== currentPlace) route();
  else showRoom(currentPlace);
});
pollModels();
