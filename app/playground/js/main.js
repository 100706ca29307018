/** The page put together: which view is shown, what they share, and what goes on around them. */

import { Api } from "./api.js";
import { CompleteView } from "./complete_view.js";
import { announce, find } from "./dom.js";
import { History } from "./history.js";
import { HistoryView } from "./history_view.js";
import { InspectView } from "./inspect_view.js";
import { KeyDialog } from "./key_dialog.js";
import { settingsOf, textOf } from "./png_text.js";
import { explain } from "./problems.js";
import { SampleView } from "./sample_view.js";
import { UpsampleView } from "./upsample_view.js";
import { plural } from "./words.js";

const LOOK_MS = 5000;
const FIRST = "sample";

const api = new Api();
const history = new History();
const views = makeViews();
const keyDialog = new KeyDialog();
let shown = "";
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
  const sample = new SampleView(section("sample"), shared("sample"));
  return new Map(
    Object.entries({
      sample,
      complete: new CompleteView(section("complete"), shared("complete")),
      upsample: new UpsampleView(section("upsample"), shared("upsample")),
      inspect: new InspectView(section("inspect"), shared("inspect")),
      history: new HistoryView(section("history"), history),
    }),
  );
}

/** #VIEW or #VIEW/JOB. */
function route() {
  const [name, jobId] = location.hash.slice(1).split("/");
  const wanted = views.has(name) ? name : FIRST;
  if (shown && shown !== wanted) views.get(shown)?.leave();
  shown = wanted;
  for (const other of views.keys()) section(other).hidden = other !== wanted;
  for (const link of document.querySelectorAll("nav a[href^='#']")) {
    if (link.getAttribute("href") === `#${wanted}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const view = views.get(wanted);
  if (view instanceof HistoryView) view.open();
  else if (jobId) view?.open(jobId);
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
  location.hash = FIRST;
  const sample = views.get(FIRST);
  if (sample instanceof SampleView) sample.restore(settings);
}

async function begin() {
  addEventListener("hashchange", route);
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", restore);
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
