/** The page put together: which view is shown, what they share, and what goes on around them. */

import { Api } from "./api.js";
import { completeView } from "./complete_view.js";
import { announce, find } from "./dom.js";
import { DrawingView } from "./drawing_view.js";
import { History } from "./history.js";
import { HistoryView } from "./history_view.js";
import { InspectView } from "./inspect_view.js";
import { KeyDialog } from "./key_dialog.js";
import { settingsOf, textOf } from "./png_text.js";
import { explain } from "./problems.js";
import { sampleView } from "./sample_view.js";
import { upsampleView } from "./upsample_view.js";
import { plural } from "./words.js";

const LOOK_MS = 5000;
const FIRST = "sample";

const api = new Api();
const history = new History();
const views = makeViews();
const keyDialog = new KeyDialog();
api.askForKey = () => keyDialog.ask();

/** @param {string} name */
function section(name) {
  return find(document, `#view-${name}`);
}

/** @param {string} name */
function shared(name) {
  return { api, history, onJob: (/** @type {string} */ id) => (location.hash = `${name}/${id}`) };
}

function makeViews() {
  return new Map(
    Object.entries({
      sample: sampleView(section("sample"), shared("sample")),
      complete: completeView(section("complete"), shared("complete")),
      upsample: upsampleView(section("upsample"), shared("upsample")),
      inspect: new InspectView(section("inspect"), shared("inspect")),
      history: new HistoryView(section("history"), api, history),
    }),
  );
}

/** #VIEW or #VIEW/JOB; #inspect/JOB/JOB for what was drawn from a score. A tab leads back to its last job. */
function route() {
  const [name, jobId, redrawnId] = location.hash.slice(1).split("/");
  const wanted = views.has(name) ? name : FIRST;
  if (section(wanted).hidden) scrollTo(0, 0);
  for (const other of views.keys()) section(other).hidden = other !== wanted;
  for (const link of document.querySelectorAll("nav a")) {
    const [place] = /** @type {HTMLAnchorElement} */ (link).hash.slice(1).split("/");
    if (place !== wanted) link.removeAttribute("aria-current");
    else link.setAttribute("aria-current", "page");
    if (place === wanted && jobId) link.setAttribute("href", location.hash);
  }
  const view = views.get(wanted);
  if (view instanceof HistoryView) view.open();
  else if (jobId) view?.open(jobId, redrawnId);
}

/** Who works, and with which models: asked now and again, because workers come and go. */
async function look() {
  const state = find(document, "#fleet");
  try {
    const models = await api.models();
    for (const view of views.values()) view.offer(models);
    state.textContent = models.length ? plural(models.length, "model") : "No worker";
    state.dataset.state = models.length ? "ready" : "waiting";
    state.title = models.length ? "Held by running workers" : "Nothing can be drawn until a worker runs";
  } catch (error) {
    state.textContent = "Not connected";
    state.dataset.state = "lost";
    state.title = explain(error).text;
  }
  setTimeout(look, LOOK_MS);
}

/** A picture that came from here, dropped anywhere: its settings again. @param {DragEvent} event */
async function restore(event) {
  event.preventDefault();
  const file = event.dataTransfer?.files[0];
  if (!file) return;
  const settings = settingsOf(textOf(await file.arrayBuffer()));
  const notice = find(document, "#notice");
  notice.hidden = false;
  notice.textContent = settings
    ? `Settings of “${file.name}” restored: seed ${settings.seed}, temperature ${settings.temperature}.`
    : `“${file.name}” does not say how it was drawn: only PNG files from here do.`;
  announce(notice.textContent ?? "");
  if (!settings) return;
  const kept = history.drawnWith(settings);
  const kind = settings.kind || kept?.kind || FIRST;
  location.hash = kind;
  const view = views.get(kind);
  if (view instanceof DrawingView) view.restore(settings, kept?.given ?? {});
}

async function begin() {
  addEventListener("hashchange", route);
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", restore);
  addEventListener("submit", () => (find(document, "#notice").hidden = true));
  route();
  look();
  try {
    const info = await api.info();
    for (const view of views.values()) view.limit(info);
  } catch {
    // the limits stay as the page has them; the server says no where it must
  }
}

begin();
