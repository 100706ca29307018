/**
 * Read and write picture files.
 *
 * The size of a picture is read from its first bytes, so that a huge one is never
 * decoded.
 */

import { pause } from "../service/api.js";
import { t } from "../lang.js";
import { FieldTrouble } from "../service/problems.js";
import { blankCanvas, contextOf } from "../pixels/raster.js";

/** Bytes of a file, at most. */
const MOST_BYTES = 40e6;
/** Pixels of a picture, at most. */
const MOST_PIXELS = 50e6;
/** Pixels of a side that are kept: the service takes as many pixels as such a square has. */
export const MOST_SIDE = 2048;
/** Quality of a JPEG, 0 to 1. */
const QUALITY = 0.85;
/** Pixels that are scaled at once. */
const STRIP_PIXELS = 1e6;

/**
 * A picture of the person's. file: its file, null if it was scaled. isSmaller: whether it
 * was scaled down.
 *
 * @typedef {{bitmap: ImageBitmap, file: Blob | null, isSmaller: boolean}} OwnPicture
 */

/**
 * Read a PNG, JPEG or WebP file, and scale it down if a side has more than MOST_SIDE
 * pixels.
 *
 * @param {Blob} file
 * @returns {Promise<OwnPicture>} The picture; no side has more than MOST_SIDE pixels.
 * @throws {FieldTrouble} of the field "image" if the file is no such picture, damaged
 *     or too large.
 */
export async function readPicture(file) {
  if (file.size > MOST_BYTES) throw tooLarge();
  const size = sizeOf(new DataView(await file.arrayBuffer()));
  if (!size) throw unreadable();
  const [width, height] = size;
  if (width * height > MOST_PIXELS) throw tooLarge();
  const share = Math.min(1, MOST_SIDE / Math.max(width, height));
  try {
    // The browser applies the orientation that a camera has stored.
    const bitmap = await createImageBitmap(file);
    if (share === 1) return { bitmap, file, isSmaller: false };
    const [wide, high] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(share * side)));
    return { bitmap: await shrink(bitmap, wide, high), file: null, isSmaller: true };
  } catch {
    throw unreadable();
  }
}

/**
 * Scale a picture down in strips, so that other tasks run in between. Closes the
 * bitmap.
 *
 * @param {ImageBitmap} bitmap
 * @param {number} width
 * @param {number} height
 */
async function shrink(bitmap, width, height) {
  const canvas = blankCanvas(width, height);
  const most = Math.max(1, Math.floor((STRIP_PIXELS / bitmap.width / bitmap.height) * height));
  for (let top = 0; top < height; top += most) {
    const resizeHeight = Math.min(most, height - top);
    const [from, to] = [top, top + resizeHeight].map((y) => Math.round((y / height) * bitmap.height));
    const size = { resizeWidth: width, resizeHeight, resizeQuality: /** @type {const} */ ("high") };
    const strip = await createImageBitmap(bitmap, 0, from, bitmap.width, Math.max(1, to - from), size);
    contextOf(canvas).drawImage(strip, 0, top);
    await pause(0);
  }
  bitmap.close();
  return createImageBitmap(canvas);
}

function tooLarge() {
  const most = MOST_PIXELS / 1e6;
  return new FieldTrouble("image", t("This picture is too large. At most {most} million pixels are read.", { most }));
}

function unreadable() {
  return new FieldTrouble("image", t("This file cannot be read as a picture. PNG, JPEG and WebP files work."));
}

/**
 * Return the width and height that a file states; null if it is no PNG, JPEG or WebP.
 *
 * @param {DataView} file
 * @returns {number[] | null}
 */
function sizeOf(file) {
  try {
    if (file.getUint32(0) === 0x89504e47) return [file.getUint32(16), file.getUint32(20)];
    if (file.getUint16(0) === 0xffd8) return sizeOfJpeg(file);
    if (file.getUint32(0) === 0x52494646 && file.getUint32(8) === 0x57454250) return sizeOfWebp(file);
  } catch {
    // The file ends within its header.
  }
  return null;
}

/**
 * Return the size in the first frame header among a JPEG's segments, or null.
 *
 * @param {DataView} file
 */
function sizeOfJpeg(file) {
  for (let at = 2; ; ) {
    const marker = file.getUint8(at + 1);
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (file.getUint8(at) !== 0xff) return null;
    if (isFrame) return [file.getUint16(at + 7), file.getUint16(at + 5)];
    at += marker === 0xff ? 1 : 2 + file.getUint16(at + 2);
  }
}

/**
 * Return the size of a WebP.
 *
 * @param {DataView} file
 */
function sizeOfWebp(file) {
  const kind = file.getUint8(15);
  if (kind === 0x58) return [1 + (file.getUint32(24, true) & 0xffffff), 1 + (file.getUint32(26, true) >>> 8)]; // VP8X
  if (kind === 0x4c) {
    const bits = file.getUint32(21, true);
    return [1 + (bits & 0x3fff), 1 + ((bits >>> 14) & 0x3fff)];
  }
  return [file.getUint16(26, true) & 0x3fff, file.getUint16(28, true) & 0x3fff];
}

/**
 * Return a canvas as a PNG file, or as a JPEG file if the PNG would be too large.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {number} most - Bytes of the PNG, at most. The JPEG may be larger than that.
 * @returns {Promise<Blob>}
 */
export async function encodePicture(canvas, most) {
  const as = (/** @type {string} */ type) => new Promise((resolve) => canvas.toBlob(resolve, type, QUALITY));
  const file = await as("image/png");
  return file.size > most ? as("image/jpeg") : file;
}
