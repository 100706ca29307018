/** What a model is to learn from, as the service takes it. Knows no element. */

import { t } from "../lang.js";
import { blankCanvas, load, pen } from "../pixels/raster.js";
import { zipped } from "../pixels/zip.js";
import { FieldTrouble } from "./problems.js";

const MOST_MB = 64;
const ARCHIVE = /\.(zip|npz)$/i;
const ICON = /\.svg$/i;
/** Pixels a side as which an icon is drawn that has none of its own. */
const ICON_SIDE = 32;

/** A file, and where it lay: its folder is its label. @typedef {[path: string, file: File]} Found */

/** @param {Iterable<File>} files @returns {Found[]} */
export function picked(files) {
  return Array.from(files, (file) => [file.webkitRelativePath || file.name, file]);
}

/** What is dropped, with all that lies in its folders. @param {DataTransfer} transfer @returns {Promise<Found[]>} */
export async function dropped({ items, files }) {
  const entries = Array.from(items, (item) => item.webkitGetAsEntry()); // gone as soon as anything is waited for
  if (!entries.some((entry) => entry?.isDirectory)) return picked(files);
  return (await Promise.all(entries.map(filesIn))).flat();
}

/** @param {any} entry of a file system, or null @returns {Promise<Found[]>} */
async function filesIn(entry) {
  if (entry?.isFile) return [[entry.fullPath.slice(1), await new Promise((resolve, no) => entry.file(resolve, no))]];
  const reader = entry?.createReader();
  const found = [];
  for (let some = [null]; reader && some.length; ) {
    some = await new Promise((resolve, no) => reader.readEntries(resolve, no)); // a hundred at a time
    for (const one of some) found.push(...(await filesIn(one)));
  }
  return found;
}

/** One file: an archive as it is, else a zip of all. Throws FieldTrouble. @param {Found[]} found @returns {Promise<Blob>} */
export async function packed(found) {
  if (!found.length) throw new FieldTrouble("image", t("Choose pictures first."));
  if (megabytes(found) > MOST_MB) throw new FieldTrouble("image", t("At most {most} MB are taken.", { most: MOST_MB }));
  if (found.length === 1 && ARCHIVE.test(found[0][0])) return found[0][1];
  const drawn = await Promise.all(found.map((one) => (ICON.test(one[0]) ? drawnIcon(one) : one)));
  const bytes = await Promise.all(drawn.map(async ([, file]) => new Uint8Array(await file.arrayBuffer())));
  return zipped(drawn.map(([name], i) => ({ name, bytes: bytes[i] })));
}

/**
 * An SVG as a PNG, since the service reads pixels alone. As an image it runs no scripts and fetches nothing. One that
 * cannot be drawn stays as it is, and the service counts it as unreadable.
 *
 * @param {Found} found
 * @returns {Promise<[path: string, file: Blob]>}
 */
async function drawnIcon([path, file]) {
  const url = URL.createObjectURL(new Blob([file], { type: "image/svg+xml" }));
  try {
    const icon = await load(url);
    const { naturalWidth: width, naturalHeight: height } = icon;
    const scale = ICON_SIDE / Math.max(width, height, 1);
    const [left, top] = [width, height].map((side) => (ICON_SIDE - scale * side) / 2);
    const canvas = blankCanvas(ICON_SIDE, ICON_SIDE);
    pen(canvas).drawImage(icon, left, top, scale * width, scale * height);
    const drawn = await new Promise((resolve) => canvas.toBlob(resolve));
    return drawn ? [path.replace(ICON, ".png"), drawn] : [path, file];
  } catch {
    return [path, file];
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** @param {Found[]} found */
export function megabytes(found) {
  return found.reduce((sum, [, { size }]) => sum + size, 0) / 1e6;
}
