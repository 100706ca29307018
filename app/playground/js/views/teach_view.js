/** The view "Teach": a model of the person's own pictures, trained and served here. */

import { formatNumber, t } from "../lang.js";
import { el, find } from "../parts/dom.js";
import { clearTrouble, field, clearTroubleOnChange, group, showTrouble, submitRow } from "../parts/fields.js";
import { FormCode } from "../parts/form_code.js";
import { OWN_TRAINING, TrainingBoard } from "../parts/training_board.js";
import { assetUrl } from "../files.js";
import { blankCanvas, load, contextOf } from "../pixels/raster.js";
import { zipArchive } from "../pixels/zip.js";
import { lasting } from "../storage.js";
import { FieldTrouble, Unreachable } from "../service/problems.js";

/** @import {Job, Shared} from "../types" */

const PRIVACY = t("A model may reproduce pictures that it learned from. The pictures are deleted after the training.");
const CREDIT = t("The emoji are Noto Emoji, by Google (Apache-2.0), made small and of 16 colours.");
const OFF = t("Nothing is trained on this server: PIXELRNN_ADDED_DIR and PIXELRNN_TRAINING=1 switch it on.");

/** Megabytes of the files together, at most. */
const MOST_MB = 64;
/** Files that a ZIP archive of the page has room for. */
const MOST_FILES = 65_535;
/** Names of files that the service unpacks itself. */
const ARCHIVE = /\.(zip|npz)$/i;
/** Names of files that are drawn as pixels here. */
const ICON = /\.svg$/i;
/** Side in pixels of an icon that is drawn. */
const ICON_SIDE = 32;

/** A file and its path; the folder in the path is its label. @typedef {[path: string, file: File]} Found */

/** `leave()` stops following the training, which goes on. */
export class TeachView {
  /**
   * @param {HTMLElement} element
   * @param {Shared} shared
   */
  constructor(element, shared) {
    this.#element = element;
    this.#shared = shared;
    this.#form = /** @type {HTMLFormElement} */ (find(element, "form"));
    const files = this.#opener(t("Pictures, or a zip"), { multiple: true, accept: "image/*,.zip,.npz" });
    const emoji = el("button", { type: "button", on: { click: () => this.#takeEmoji() } }, t("Take 200 emoji"));
    const buttons = el(
      "div",
      { class: "actions" },
      files,
      this.#opener(t("A folder"), { webkitdirectory: true }),
      emoji,
    );
    const notes = [PRIVACY, CREDIT].map((text) => el("p", { class: "hint" }, text));
    const pictures = group("image", t("Drop pictures, or choose"), notes[0], buttons, this.#chosen, notes[1]);
    const fields = [field("name", t("Its name"), this.#name), field("minutes", t("Minutes"), this.#minutes)];
    const off = el("p", { class: "notice" }, OFF);
    const code = new FormCode(shared, this.#form, async () => this.#request());
    code.hint = t("Put your pictures into pictures.zip.");
    const parts = [pictures, ...fields, submitRow(t("Train")), code.element];
    this.#form.append(off, ...parts);
    this.#form.addEventListener("submit", (event) => this.#submit(event));
    clearTroubleOnChange(this.#form, shared.isOnline);
    element.addEventListener("drop", (event) => this.#drop(event));
    this.#board = new TrainingBoard(shared);
    find(element, ".stage").append(this.#board.element);
    const example = ["digits.png", "learning.webp"].map((name) => el("img", { alt: "", src: assetUrl(name) }));
    find(element, ".empty > span").append(...example);
    shared.info.watch((info) => {
      off.hidden = !info || Boolean(info.training && info.training_minutes);
      for (const part of parts) part.hidden = !off.hidden;
    });
  }

  #element;
  #shared;
  #form;
  #board;
  #chosen = el("p", { role: "status" }, t("Nothing is chosen yet."));
  #name = el("input", { type: "text", value: "my-pictures", maxLength: 64, spellcheck: false, autocomplete: "off" });
  #minutes = el("input", { type: "number", value: "5", min: "0.1", step: "any" });
  /** @type {Found[]} */
  #found = [];

  /**
   * Show a training, or the newest one that has not ended.
   *
   * @param {string} id - Id of the job; "" for none.
   */
  async open(id) {
    this.#element.toggleAttribute("data-used", Boolean(id));
    if (id) return this.#board.watch(id);
    const answer = this.#shared.api.send("/jobs?kind=train", {}).then((sent) => sent.json());
    /** @type {Job[]} */
    // A new training can be started without the list.
    const jobs = (await answer.catch(() => null))?.jobs ?? [];
    const open = jobs.find((job) => !job.finished_at);
    if (open && !this.#element.hidden) this.#shared.onJob(open.id);
  }

  leave() {
    this.#board.watch("");
  }

  /**
   * Return the call of the form with an empty archive, for the code: whoever runs it
   * has the pictures.
   */
  #request() {
    const body = this.#body(new Blob([], { type: "application/zip" }));
    return { path: "/train", body };
  }

  /** @param {Blob} images */
  #body(images) {
    const body = new FormData();
    body.set("images", images, "pictures");
    body.set("name", this.#name.value.trim());
    body.set("minutes", this.#minutes.value);
    body.set("publish_anyway", "true");
    return body;
  }

  /** @param {File} file */
  take(file) {
    return this.#take(withPaths([file]));
  }

  /**
   * Use files; return false if there are none.
   *
   * @param {Found[]} found
   */
  #take(found) {
    if (!found.length) return false;
    clearTrouble(this.#form);
    this.#found = found;
    const facts = { name: found[0][1].name, count: formatNumber(found.length), size: formatNumber(megabytes(found)) };
    const text = found.length > 1 ? t("{count} files, {size} MB", facts) : t("“{name}”, {size} MB", facts);
    this.#chosen.textContent = text;
    return true;
  }

  /** Use the page's own archive of emoji. */
  async #takeEmoji() {
    const answer = await fetch(assetUrl("emoji.zip")).catch(() => null);
    if (!answer?.ok) return showTrouble(this.#form, new Unreachable());
    this.take(new File([await answer.blob()], "emoji.zip"));
    this.#name.value = "my-emoji";
  }

  /**
   * @param {string} text
   * @param {Record<string, any>} properties
   */
  #opener(text, properties) {
    const input = el("input", { type: "file", class: "unseen", ...properties });
    input.addEventListener("change", () => {
      this.#take(withPaths(input.files ?? []));
      // Otherwise the same files could not be chosen again after others.
      input.value = "";
    });
    return el("label", { class: "button" }, input, text);
  }

  /**
   * Use files and folders that are dropped anywhere in the view.
   *
   * @param {DragEvent} event
   */
  async #drop(event) {
    event.preventDefault();
    event.stopPropagation();
    if (!event.dataTransfer) return;
    const found = await droppedFiles(event.dataTransfer).catch(() => []);
    if (this.#take(found)) return;
    showTrouble(this.#form, new FieldTrouble("image", t("Nothing in it can be read. Choose pictures.")));
  }

  /** @param {Event} event */
  async #submit(event) {
    event.preventDefault();
    clearTrouble(this.#form);
    const press = find(this.#form, "button.primary");
    press.disabled = true;
    try {
      const body = this.#body(await packFiles(this.#found));
      const { id } = await this.#shared.api.submit("/train", body);
      lasting.set(OWN_TRAINING, id);
      this.#shared.onJob(id);
      this.open(id);
      this.#board.element.scrollIntoView({ block: "nearest" });
    } catch (error) {
      showTrouble(this.#form, error);
    } finally {
      press.disabled = false;
    }
  }
}

/**
 * @param {Iterable<File>} files
 * @returns {Found[]}
 */
function withPaths(files) {
  return Array.from(files, (file) => [file.webkitRelativePath || file.name, file]);
}

/**
 * Return the files that are dropped, also those in folders.
 *
 * @param {DataTransfer} transfer
 * @returns {Promise<Found[]>}
 */
async function droppedFiles({ items, files }) {
  // The browser empties the list at the first await.
  const entries = Array.from(items, (item) => item.webkitGetAsEntry());
  if (!entries.some((entry) => entry?.isDirectory)) return withPaths(files);
  return (await Promise.all(entries.map(filesIn))).flat();
}

/**
 * Return the files of an entry of a file system.
 *
 * @param {any} entry - Entry of a file system, or null.
 * @returns {Promise<Found[]>}
 */
async function filesIn(entry) {
  if (entry?.isFile) return [[entry.fullPath.slice(1), await new Promise((resolve, no) => entry.file(resolve, no))]];
  const reader = entry?.createReader();
  const found = [];
  for (let some = [null]; reader && some.length; ) {
    // Browsers return at most a hundred entries at a time.
    some = await new Promise((resolve, no) => reader.readEntries(resolve, no));
    for (const one of some) found.push(...(await filesIn(one)));
  }
  return found;
}

/**
 * Return one file to send: an archive as it is, otherwise a ZIP archive of all files.
 *
 * SVG files are drawn as PNG files of 32 x 32 pixels; one that cannot be drawn stays as
 * it is.
 *
 * @param {Found[]} found - Path and content of each file.
 * @returns {Promise<Blob>}
 * @throws {FieldTrouble} if there is no file, or if there are too many, or if they are
 *     too large together.
 */
export async function packFiles(found) {
  if (!found.length) throw new FieldTrouble("image", t("Choose pictures first."));
  if (megabytes(found) > MOST_MB) throw new FieldTrouble("image", t("At most {most} MB are taken.", { most: MOST_MB }));
  if (found.length > MOST_FILES) {
    const most = formatNumber(MOST_FILES);
    throw new FieldTrouble("image", t("At most {most} files are taken: choose a zip of them.", { most }));
  }
  if (found.length === 1 && ARCHIVE.test(found[0][0])) return found[0][1];
  const pictures = await Promise.all(found.map((one) => (ICON.test(one[0]) ? iconAsPng(one) : one)));
  const bytes = await Promise.all(pictures.map(async ([, file]) => new Uint8Array(await file.arrayBuffer())));
  return zipArchive(pictures.map(([name], i) => ({ name, bytes: bytes[i] })));
}

/**
 * Return an SVG file as a PNG file, since the service reads only pixels. As an image,
 * an SVG runs no scripts and fetches nothing.
 *
 * @param {Found} found
 * @returns {Promise<[path: string, file: Blob]>} The PNG; the file as it is if it
 *     cannot be drawn, which the service then counts as unreadable.
 */
async function iconAsPng([path, file]) {
  const url = URL.createObjectURL(new Blob([file], { type: "image/svg+xml" }));
  try {
    const icon = await load(url);
    const { naturalWidth: width, naturalHeight: height } = icon;
    const scale = ICON_SIDE / Math.max(width, height, 1);
    const [left, top] = [width, height].map((side) => (ICON_SIDE - scale * side) / 2);
    const canvas = blankCanvas(ICON_SIDE, ICON_SIDE);
    contextOf(canvas).drawImage(icon, left, top, scale * width, scale * height);
    const png = await new Promise((resolve) => canvas.toBlob(resolve));
    return png ? [path.replace(ICON, ".png"), png] : [path, file];
  } catch {
    return [path, file];
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** @param {Found[]} found */
function megabytes(found) {
  return found.reduce((sum, [, { size }]) => sum + size, 0) / 1e6;
}
