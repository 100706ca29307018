/** The jobs of this browser as a strip of thumbnails. */

import { el } from "./dom.js";
import { language, t } from "../lang.js";
import { load } from "../pixels/raster.js";
import { OPEN } from "../service/history.js";
import { images, STATES } from "../service/words.js";

/** @import {HistoryEntry, Shared} from "../types" */

/** HTTP statuses of a job that the server no longer has. */
const GONE = new Set([404, 410]);
/**
 * Kind of job -> its name, and the view that shows it.
 *
 * @type {Record<string, [string, string]>}
 */
const KINDS = {
  sample: [t("Sample"), "sample"],
  complete: [t("Complete"), "complete"],
  score: [t("Inspect"), "inspect"],
};

/** Shows the history and follows it: open a job again, or forget it. */
export class HistoryStrip {
  /** @param {Shared} shared */
  constructor({ api, history }) {
    this.#api = api;
    this.#history = history;
    this.#clear.addEventListener("click", () => confirm(t("Forget all of them?")) && history.replace([]));
    const title = el("h2", { id: "title-history" }, t("History"));
    const head = el("div", { class: "history-head" }, title, this.#clear);
    this.element = el("section", { class: "history", "aria-labelledby": title.id }, head, this.#hint, this.#list);
    history.watch(() => this.show());
  }

  #api;
  #history;
  #hint = el("p", { class: "hint" }, t("It is kept in this browser only; the server forgets its jobs after a while."));
  #list = el("ul", { class: "jobs" });
  #clear = el("button", { type: "button", class: "quiet" }, t("Forget all"));

  show() {
    const jobs = this.#history.all();
    this.#list.replaceChildren(...jobs.map((job) => this.#line(job)));
    this.element.hidden = !jobs.length;
  }

  /** Request the state of jobs that had not ended, and keep it in the history. */
  async look() {
    const open = this.#history.all().filter((job) => OPEN.has(job.status));
    const answers = await Promise.allSettled(open.map((job) => this.#api.job(job.id)));
    answers.forEach((answer, i) => {
      if (answer.status === "fulfilled") this.#history.setStatus(open[i].id, answer.value.status);
      else if (GONE.has(answer.reason.body?.status)) this.#history.setStatus(open[i].id, "gone");
    });
  }

  /** @param {HistoryEntry} job */
  #line(job) {
    const [verb, view] = KINDS[job.kind] ?? [job.kind, "sample"];
    const picture = el("span", { class: "job-picture" });
    if (job.thumbnail) load(job.thumbnail).then((image) => picture.append(image));
    const when = new Date(job.at).toLocaleString(language, { dateStyle: "medium", timeStyle: "short" });
    const forget = el("button", { type: "button", class: "quiet" }, t("Forget"));
    forget.setAttribute("aria-label", t("Forget this job of {when}", { when }));
    forget.addEventListener("click", () => {
      this.#history.replace(this.#history.all().filter((one) => one.id !== job.id));
      this.#clear.focus();
    });
    const facts = [el("strong", {}, verb), el("span", {}, job.kind === "score" ? "" : images(job.n))];
    const text = el("span", { class: "job-text" }, ...facts, el("span", { class: "when" }, STATES[job.status]));
    const title = `${job.model} · ${t("seed {seed}", { seed: job.seed })} · ${when}`;
    return el("li", {}, el("a", { href: `#${view}/${job.id}`, title }, picture, text), forget);
  }
}
