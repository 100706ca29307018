/** History: the jobs of this browser, to look at again or to forget. */

import { el, find } from "./dom.js";
import { load } from "./raster.js";
import { plural, STATES } from "./words.js";

/** @import {Api} from "./api.js" */
/** @import {History} from "./history.js" */
/** @import {Remembered} from "./types" */

const OPEN = new Set(["queued", "running"]);
const GONE = new Set([404, 410]);
const VERBS = { sample: "Sample", complete: "Complete", upsample: "Upsample", score: "Inspect", verify: "Verify" };
const VIEWS = { sample: "sample", complete: "complete", upsample: "upsample", score: "inspect", verify: "sample" };

export class HistoryView {
  /** @param {HTMLElement} element @param {Api} api @param {History} history */
  constructor(element, api, history) {
    this.#api = api;
    this.#history = history;
    this.#list = find(element, ".jobs");
    this.#empty = find(element, ".empty");
    this.#clear = find(element, "[data-act=clear]");
    this.#clear.addEventListener("click", () => {
      this.#history.clear();
      this.#show();
    });
  }

  #api;
  #history;
  #list;
  #empty;
  #clear;

  offer() {}
  limit() {}

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
    if (open.length) this.#show();
  }

  #show() {
    const jobs = this.#history.all();
    this.#list.replaceChildren(...jobs.map((job) => this.#line(job)));
    this.#empty.hidden = jobs.length > 0;
    this.#clear.hidden = jobs.length === 0;
  }

  /** @param {Remembered} job */
  #line(job) {
    const facts = job.kind === "score" ? "" : ` · ${plural(job.n, "image")} · seed ${job.seed}`;
    const picture = el("span", { class: "job-picture" });
    if (job.thumbnail) load(job.thumbnail).then((image) => picture.append(image));
    const when = new Date(job.at).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
    const forget = el(
      "button",
      { type: "button", class: "quiet", "aria-label": `Forget this job of ${when}` },
      "Forget",
    );
    const link = el(
      "a",
      { href: `#${VIEWS[job.kind]}/${job.id}` },
      picture,
      el(
        "span",
        { class: "job-text" },
        el("strong", {}, VERBS[job.kind]),
        el("span", {}, `${job.model}${facts}`),
        el("span", { class: "when" }, `${when} · ${STATES[job.status]}`),
      ),
    );
    const line = el("li", {}, link, forget);
    forget.addEventListener("click", () => {
      this.#history.forget(job.id);
      this.#show();
    });
    return line;
  }
}
