/** A GIF (version 89a) of a picture being drawn, pixel by pixel. */

import { save } from "./raster.js";

/** Side of the film in pixels, about; each pixel of the picture becomes a square. */
const SIDE = 448;
const FRAMES = 80;
/** Time of a frame and of the last one, in hundredths of a second. */
const [FRAME_CS, LAST_CS] = [5, 200];
/** Colour of pixels that are not drawn yet, as on the page's canvas. */
const FOG = 0x33405f;
/** Colours that a GIF has room for; one is the fog. */
const MOST_COLOURS = 255;
/** Bits of red, green and blue that are kept of a picture with more colours. */
const FEWER = 0xe0e0c0;
/** Codes of LZW have 12 bits at most. */
const MOST_CODES = 4096;

/**
 * Let the browser download a film of four seconds in which the pixels appear in the
 * order in which they were drawn, row by row.
 *
 * @param {ImageData} picture - Opaque. Of more than 255 colours, similar ones become one.
 * @param {string} name - Name of its model, for the file's name and a comment in it.
 */
export function saveFilm(picture, name) {
  save(gifOf(picture, `Drawn pixel by pixel by ${name} (pixelrnn)`), `${name}.gif`);
}

/**
 * Return the film as a file.
 *
 * @param {ImageData} picture
 * @param {string} comment - Text in the file, ASCII, at most 255 characters.
 */
function gifOf({ width, height, data }, comment) {
  let colours = Array.from(
    { length: width * height },
    (_, i) => (data[4 * i] << 16) | (data[4 * i + 1] << 8) | data[4 * i + 2],
  );
  if (new Set(colours).size > MOST_COLOURS) colours = colours.map((colour) => colour & FEWER);
  const palette = [FOG, ...new Set(colours)];
  const pixels = colours.map((colour) => palette.indexOf(colour, 1));
  const scale = Math.max(1, Math.floor(SIDE / Math.max(width, height)));
  const short = (/** @type {number} */ value) => [value & 255, value >> 8];
  const ascii = (/** @type {string} */ text) => [...text].map((letter) => letter.charCodeAt(0));

  const file = [...ascii("GIF89a"), ...short(scale * width), ...short(scale * height), 0xf7, 0, 0];
  for (let i = 0; i < 256; i += 1) file.push(...[16, 8, 0].map((shift) => (palette[i] >> shift) & 255));
  file.push(0x21, 0xff, 11, ...ascii("NETSCAPE2.0"), 3, 1, 0, 0, 0); // again and again
  file.push(0x21, 0xfe, comment.length, ...ascii(comment), 0);
  let drawn = 0;
  for (let frame = 0; frame <= FRAMES; frame += 1) {
    const until = Math.round((frame / FRAMES) * pixels.length);
    // The first frame is all fog; the others have only the rows that change.
    const top = Math.min(Math.floor(drawn / width), height - 1);
    const bottom = frame ? Math.max(Math.ceil(until / width), top + 1) : height;
    drawn = until;
    const line = scale * width;
    const shown = Array.from({ length: scale * line * (bottom - top) }, (_, i) => {
      const at = width * (top + Math.floor(i / line / scale)) + Math.floor((i % line) / scale);
      return at < until ? pixels[at] : 0;
    });
    file.push(0x21, 0xf9, 4, 4, ...short(frame < FRAMES ? FRAME_CS : LAST_CS), 0, 0);
    file.push(0x2c, 0, 0, ...short(scale * top), ...short(scale * width), ...short(scale * (bottom - top)), 0, 8);
    const packed = lzw(shown);
    for (let i = 0; i < packed.length; i += 255)
      file.push(Math.min(255, packed.length - i), ...packed.slice(i, i + 255));
    file.push(0);
  }
  return new Blob([new Uint8Array([...file, 0x3b])], { type: "image/gif" });
}

/**
 * Compress bytes.
 *
 * @param {number[]} values - At least one.
 * @returns {number[]} Bytes.
 */
function lzw(values) {
  const [clear, end] = [256, 257];
  /** @type {number[]} */
  const bytes = [];
  let [buffer, filled, size] = [0, 0, 9];
  const put = (/** @type {number} */ code) => {
    buffer |= code << filled;
    for (filled += size; filled >= 8; filled -= 8) {
      bytes.push(buffer & 255);
      buffer >>= 8;
    }
  };
  /** Code of a run and the value that follows it -> code of both. @type {Map<number, number>} */
  const codes = new Map();
  put(clear);
  let run = values[0];
  for (const value of values.slice(1)) {
    const key = (run << 8) | value;
    const known = codes.get(key);
    if (known !== undefined) {
      run = known;
      continue;
    }
    put(run);
    run = value;
    const code = end + 1 + codes.size;
    if (code < MOST_CODES) {
      codes.set(key, code);
      // The reader learns a code one step later.
      if (code === 1 << size) size += 1;
    } else {
      put(clear);
      codes.clear();
      size = 9;
    }
  }
  put(run);
  put(end);
  if (filled) bytes.push(buffer);
  return bytes;
}
