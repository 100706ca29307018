/** The code that does what a form asks for, beside it: it follows the form while it is open. */

import { t } from "../lang.js";
import { explain } from "../service/problems.js";
import { callOf, curlOf, fileName, javascriptOf, pythonOf } from "../service/code_examples.js";
import { LatestRequest } from "../signal.js";
import { announce, el } from "./dom.js";

/** @import {Shared} from "../types" */
/** @typedef {{path: string, body: Record<string, any> | FormData}} FormRequest */

/** So long nothing may change before the lines follow. */
const REST_MS = 150;
const LANGUAGES = [
  { name: "curl", lines: curlOf },
  { name: "Python", lines: pythonOf },
  { name: "JavaScript", lines: javascriptOf },
];
/** What may change a form, keys and pointers on a pad too. */
const CHANGES = ["input", "change", "click", "pointerup", "keyup"];

export class FormCode {
  /**
   * @param {Shared} shared
   * @param {HTMLElement} form
   * @param {() => Promise<FormRequest | null>} ask what the form asks for; null if no single call does that. May throw
   */
  constructor({ api }, form, ask) {
    this.#api = api;
    this.#ask = ask;
    this.element.append(el("summary", {}, t("As code")), this.#hint, this.#files, this.#lines, this.#note);
    this.element.hidden = !api.hasService;
    this.element.addEventListener("toggle", () => this.follow());
    for (const name of CHANGES) form.addEventListener(name, () => this.follow());
  }

  element = el("details", { class: "drawer form-code" });
  #hint = el("p", { class: "hint" });
  #api;
  #ask;
  #files = el("p", { class: "files" });
  #lines = el("div", {});
  #note = el("p", { class: "hint", role: "status" });
  #timer = 0;
  #asking = new LatestRequest();
  /** Addresses of the files that are offered. @type {string[]} */
  #fileUrls = [];

  /** What has to be known beside the lines. @param {string} text */
  set hint(text) {
    this.#hint.textContent = text;
  }

  /** Show what the form asks for now, if somebody looks. */
  follow() {
    clearTimeout(this.#timer);
    if (this.element.open) this.#timer = setTimeout(() => this.#show(), REST_MS);
  }

  async #show() {
    const signal = this.#asking.start();
    let asked = null;
    let trouble = "";
    try {
      asked = await this.#ask();
    } catch (error) {
      trouble = explain(error).text;
    }
    if (signal.aborted) return;
    this.#offer(asked);
    if (!asked) {
      this.#note.textContent = trouble;
      return this.#lines.replaceChildren();
    }
    const call = callOf(asked.path, asked.body);
    const place = { origin: location.origin, isGuarded: this.#api.hasKey };
    const texts = LANGUAGES.map(({ name, lines }) => ({ name, text: lines(call, place) }));
    const pieces = [...this.#lines.querySelectorAll("pre")];
    // The form reports a change often, also of nothing that the lines contain: "Copied." then stays.
    if (texts.some(({ text }, i) => pieces[i]?.textContent !== text)) this.#note.textContent = "";
    if (pieces.length === texts.length) pieces.forEach((piece, i) => (piece.textContent = texts[i].text));
    else this.#lines.replaceChildren(...texts.map(({ name, text }) => this.#piece(name, text)));
  }

  /** The pictures that the lines send, as files beside them. @param {FormRequest | null} asked */
  #offer(asked) {
    for (const address of this.#fileUrls) URL.revokeObjectURL(address);
    const fields = asked?.body instanceof FormData ? [...asked.body] : [];
    const links = fields.flatMap(([field, file]) => {
      if (!(file instanceof File) || !file.size) return [];
      const download = fileName(field, file);
      return [el("a", { href: URL.createObjectURL(file), download }, download)];
    });
    this.#fileUrls = links.map(({ href }) => href);
    this.#files.replaceChildren(...links);
  }

  /** @param {string} name of the language @param {string} text */
  #piece(name, text) {
    const shown = el("pre", { tabIndex: 0, "data-code": name.toLowerCase() }, text);
    const copy = el("button", { type: "button", class: "quiet", "aria-label": t("Copy {name}", { name }) }, t("Copy"));
    copy.addEventListener("click", async () => {
      const copied = navigator.clipboard.writeText(shown.textContent ?? "");
      const words = await copied.then(
        () => t("Copied."),
        () => t("The browser does not let this page copy; select the text instead."),
      );
      this.#note.textContent = words;
      announce(words);
    });
    return el("div", { class: "code" }, el("p", {}, name, copy), shown);
  }
}
