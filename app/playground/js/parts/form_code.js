/** Code that makes the call of a form, shown beside it. */

import { t } from "../lang.js";
import { explain } from "../service/problems.js";
import { callOf, curlOf, fileName, javascriptOf, pythonOf, serviceAddress } from "../service/code_examples.js";
import { LatestRequest } from "../signal.js";
import { announce, el } from "./dom.js";

/** @import {Shared} from "../types" */
/** The call that a form makes. @typedef {{path: string, body: Record<string, any> | FormData}} FormRequest */

/** Milliseconds without a change before the code is renewed. */
const REST_MS = 150;
const LANGUAGES = [
  { name: "curl", lines: curlOf },
  { name: "Python", lines: pythonOf },
  { name: "JavaScript", lines: javascriptOf },
];
/** Events that may change a form, also those of a pad in it. */
const CHANGES = ["input", "change", "click", "pointerup", "keyup"];

/**
 * A folded section with code that makes the call of a form. While it is open it follows
 * the form, and offers the form's pictures as files. Without a service it is hidden.
 */
export class FormCode {
  /**
   * @param {Shared} shared
   * @param {HTMLElement} form - Element whose events are watched.
   * @param {() => Promise<FormRequest | null>} ask - Returns the call of the form; null
   *     if no single call does what the form does. It may raise an error, which is
   *     explained in place of the code.
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
  /** Blob URLs of the files that are offered. @type {string[]} */
  #fileUrls = [];

  /**
   * Set a sentence that is shown above the code.
   *
   * @param {string} text
   */
  set hint(text) {
    this.#hint.textContent = text;
  }

  /** Renew the code after a moment, if the section is open. */
  follow() {
    clearTimeout(this.#timer);
    if (this.element.open) this.#timer = setTimeout(() => this.#show(), REST_MS);
  }

  async #show() {
    const signal = this.#asking.start();
    let request = null;
    let trouble = "";
    try {
      request = await this.#ask();
    } catch (error) {
      trouble = explain(error).text;
    }
    if (signal.aborted) return;
    this.#offer(request);
    if (!request) {
      this.#note.textContent = trouble;
      return this.#lines.replaceChildren();
    }
    const call = callOf(request.path, request.body);
    const place = { origin: serviceAddress(), isGuarded: this.#api.hasKey };
    const texts = LANGUAGES.map(({ name, lines }) => ({ name, text: lines(call, place) }));
    const pieces = [...this.#lines.querySelectorAll("pre")];
    // Forms report many changes that do not concern the code; the note "Copied." stays
    // then.
    if (texts.some(({ text }, i) => pieces[i]?.textContent !== text)) this.#note.textContent = "";
    if (pieces.length === texts.length) pieces.forEach((piece, i) => (piece.textContent = texts[i].text));
    else this.#lines.replaceChildren(...texts.map(({ name, text }) => this.#piece(name, text)));
  }

  /**
   * Offer the pictures that the code sends as files.
   *
   * @param {FormRequest | null} request
   */
  #offer(request) {
    for (const address of this.#fileUrls) URL.revokeObjectURL(address);
    const fields = request?.body instanceof FormData ? [...request.body] : [];
    const links = fields.flatMap(([field, file]) => {
      if (!(file instanceof File) || !file.size) return [];
      const download = fileName(field, file);
      return [el("a", { href: URL.createObjectURL(file), download }, download)];
    });
    this.#fileUrls = links.map(({ href }) => href);
    this.#files.replaceChildren(...links);
  }

  /**
   * Return the code of one language with a button that copies it.
   *
   * @param {string} name
   * @param {string} text
   */
  #piece(name, text) {
    const code = el("pre", { tabIndex: 0, "data-code": name.toLowerCase() }, text);
    const copy = el("button", { type: "button", class: "quiet", "aria-label": t("Copy {name}", { name }) }, t("Copy"));
    copy.addEventListener("click", async () => {
      const copied = navigator.clipboard.writeText(code.textContent ?? "");
      const words = await copied.then(
        () => t("Copied."),
        () => t("The browser does not let this page copy; select the text instead."),
      );
      this.#note.textContent = words;
      announce(words);
    });
    return el("div", { class: "code" }, el("p", {}, name, copy), code);
  }
}
