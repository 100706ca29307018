/** History: the jobs of this browser, to look at again or to forget. */

import { el, find } from "../parts/dom.js";
import { language, t } from "../lang.js";
import { load } from "../pixels/raster.js";
import { images, STATES } from "../service/words.js";

/** @import {Remembered, Shared} from "../types" */

const OPEN = new Set(["queued", "running"]);
const GONE = new Set([404, 410]);
const VERBS = /** @type {Record<string, string>} */ ({
  sample: t("Sample"),
  complete: t("Complete"),
  upsample: t("Upsample"),
  score: t("Inspect"),
  verify: t("Verify"),
});
const VIEWS = /** @type {Record<string, string>} */ ({ complete: "complete", upsample: "upsample", score: "inspect" });

export class HistoryView {
  /** @param {HTMLElement} element @param {Shared} shared */
  constructor(element, { api, history }) {
    this.#element = element;
    this.#api = api;
    this.#history = history;
    this.#list = find(element, ".jobs");
    this.#empty = find(element, ".empty");
    this.#clear = find(element, "[data-act=clear]");
    this.#undo = find(element, "[data-act=undo]");
    this.#filter = find(element, "[data-act=filter]");
    this.#filter.addEventListener("change", () => this.#show());
    this.#clear.addEventListener("click", () => this.#forget([]));
    this.#undo.addEventListener("click", () => this.#bringBack());
    history.watch(() => element.hidden || this.#show());
  }

  #element;
  #api;
  #history;
  #list;
  #empty;
  #clear;
  #undo;
  /** What is shown: "" all, else a verb. */
  #filter;
  /** What was forgotten last, in case that was a mistake. @type {Remembered[]} */
  #forgotten = [];

  open() {
    this.#show();
    this.#look();
  }

  /** What has become of those that had not ended when they were last seen? */
  async #look() {
    const open = this.#history.all().filter((job) => OPEN.has(job.status));
    const seen = await Promise.allSettled(open.map((job) => this.#api.job(job.id)));
    seen.forEach((answer, i) => {
      if (answer.status === "fulfilled") this.#history.keep({ ...open[i], status: answer.value.status });
      else if (GONE.has(answer.reason.body?.status)) this.#history.keep({ ...open[i], status: "gone" });
    });
  }

  /** All but these. @param {Remembered[]} rest */
  #forget(rest) {
    this.#forgotten = this.#history.all();
    this.#history.replace(rest);
    this.#undo.focus();
  }

  #bringBack() {
    const before = this.#forgotten;
    this.#forgotten = [];
    this.#history.replace(before);
  }

  #show() {
    const jobs = this.#history.all();
    this.#offer(jobs);
    const wanted = jobs.filter((job) => !this.#filter.value || verbOf(job) === this.#filter.value);
    this.#list.replaceChildren(...wanted.map((job) => this.#line(job)));
    this.#empty.hidden = jobs.length > 0;
    this.#clear.hidden = jobs.length === 0;
    this.#undo.hidden = this.#forgotten.length === 0;
    this.#element.dataset.used = "";
  }

  /** Only what there is can be asked for. @param {Remembered[]} jobs */
  #offer(jobs) {
    const verbs = [...new Set(jobs.map(verbOf))].sort();
    const before = this.#filter.value;
    this.#filter.replaceChildren(new Option(t("Everything"), ""), ...verbs.map((verb) => new Option(verb)));
    this.#filter.value = verbs.includes(before) ? before : "";
    this.#filter.parentElement.hidden = verbs.length < 2;
  }

  /** @param {Remembered} job */
  #line(job) {
    const seed = t("seed {seed}", { seed: job.seed });
    const facts = job.kind === "score" ? "" : ` · ${images(job.n)} · ${seed}`;
    const picture = el("span", { class: "job-picture" });
    if (job.thumbnail) load(job.thumbnail).then((image) => picture.append(image));
    const when = new Date(job.at).toLocaleString(language, { dateStyle: "medium", timeStyle: "short" });
    const forget = el("button", { type: "button", class: "quiet" }, t("Forget"));
    forget.setAttribute("aria-label", t("Forget this job of {when}", { when }));
    const link = el(
      "a",
      { href: job.place ? `#compare/${job.place}` : `#${VIEWS[job.kind] ?? "sample"}/${job.id}` },
      picture,
      el(
        "span",
        { class: "job-text" },
        el("strong", {}, verbOf(job)),
        el("span", {}, `${job.model}${facts}`),
        el("span", { class: "when" }, `${when} · ${STATES[job.status]}`),
      ),
    );
    forget.addEventListener("click", () => this.#forget(this.#history.all().filter((one) => one.id !== job.id)));
    return el("li", {}, link, forget);
  }
}

/** @param {Remembered} job */
function verbOf(job) {
  return job.place ? t("Compare") : (VERBS[job.kind] ?? job.kind);
}
