/**
 * Read PNG files as the service and `pixelrnn` write them: 8 bits for each colour, grey
 * or RGB; or with a palette and up to 8 bits for each pixel.
 */

import { EngineError } from "./files.js";

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
/** Pixels of a file, at most: a small file could otherwise unpack to any size. */
const MOST_PIXELS = 2 ** 26;
/**
 * Chunks that decide what a picture shows, in the order of the specification. Only the
 * last of them may stand in a file several times.
 */
const ORDER = ["IHDR", "PLTE", "tRNS", "IDAT"];
/** Colour type of a picture with a palette. */
const INDEXED = 3;
/**
 * Bits of an index in a picture with a palette. Some versions of Pillow write no more of
 * them than the number of colours needs.
 */
const INDEX_BITS = [1, 2, 4, 8];

/**
 * What a file says of its picture. `depth`: bits of each colour or index. `channels`: 3
 * for RGB, else 1. `data`: parts of the packed pixels, which `pixelsOf` unpacks.
 * `palette`: six hexadecimal digits for each colour, one after the other; empty if the
 * picture is not indexed. `opacity`: of the first colours of the palette, 0 to 255; the
 * others are opaque. `text`: value of each tEXt and iTXt chunk by its keyword (of a
 * compressed one, its raw bytes; zTXt chunks are left out).
 *
 * @typedef {{text: Record<string, string>, palette: string, opacity: Uint8Array, width: number, height: number, channels: number, depth: number, data: Uint8Array<ArrayBuffer>[]}} Png
 */

/**
 * Read a PNG without its pixels: its text chunks, its palette and its size.
 *
 * @param {Uint8Array<ArrayBuffer>} bytes - The file: 8 bits for each colour, grey or
 *     RGB, or indexed with 1, 2, 4 or 8 bits for each pixel; not interlaced. Checksums
 *     and the numbers of filters are not verified.
 * @returns {Png}
 * @throws {EngineError} if the bytes are no PNG, a PNG of another kind, or too large.
 */
export function readPng(bytes) {
  if (!SIGNATURE.every((byte, i) => bytes[i] === byte)) throw new EngineError("this is not a PNG file");
  const { header, text, data, palette, opacity } = chunks(bytes);
  const view = new DataView(header.buffer, header.byteOffset, header.length);
  const [width, height] = [view.getUint32(0), view.getUint32(4)];
  const [depth, colour, , , interlaced] = header.subarray(8);
  // Colour types of the specification: 0 is grey, 2 RGB.
  const channels = { 0: 1, 2: 3, [INDEXED]: 1 }[colour];
  const isIndexed = colour === INDEXED;
  if (
    !(isIndexed ? INDEX_BITS.includes(depth) : depth === 8) ||
    !channels ||
    interlaced ||
    isIndexed !== (palette !== "") ||
    !(width * height > 0 && width * height < MOST_PIXELS)
  ) {
    throw new EngineError("the PNG was changed after it was written: expected 8 bits a colour, grey, RGB or a palette");
  }
  return { text, palette, opacity, width, height, channels, depth, data };
}

/**
 * Unpack the pixels of a PNG, in the order (height, width, channels): bytes of colours,
 * or indices into the palette.
 *
 * A small file can hold many pixels, so check the size of the picture before.
 *
 * @param {Png} png
 * @returns {Promise<Uint8Array>}
 * @throws {EngineError} if pixels are missing or cannot be unpacked.
 */
export async function pixelsOf({ width, height, channels, depth, data }) {
  const length = Math.ceil((width * channels * depth) / 8);
  const raw = await inflated(data, height * (1 + length));
  return unpacked(unfiltered(raw, height, length, channels), height, width * channels, depth);
}

/**
 * Collect the chunks that this module reads. The chunk IEND ends the search, and so does
 * one that is cut off.
 *
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @throws {EngineError} if a chunk of ORDER stands behind a later one of them, or twice:
 *     programs that show the picture may use another one than this module.
 */
function chunks(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const latin = new TextDecoder("latin1");
  /** @type {Record<string, string>} */
  const text = {};
  /** @type {Uint8Array<ArrayBuffer>[]} */
  const data = [];
  let header = new Uint8Array(13);
  let palette = "";
  let opacity = new Uint8Array();
  let lastRank = -1;
  for (let at = SIGNATURE.length; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at);
    // A chunk has 4 bytes of length, 4 of type and 4 of checksum around its content.
    if (at + 12 + length > bytes.length) break;
    const kind = latin.decode(bytes.subarray(at + 4, at + 8));
    const content = bytes.subarray(at + 8, at + 8 + length);
    if (kind === "IEND") break;
    if (ORDER.includes(kind)) {
      const rank = ORDER.indexOf(kind);
      const isRepeated = rank === lastRank && kind !== "IDAT";
      if (rank < lastRank || isRepeated) {
        throw new EngineError(`the PNG was changed after it was written: it has a chunk ${kind} in a wrong place`);
      }
      lastRank = rank;
    }
    if (kind === "IHDR" && length === 13) header = content;
    if (kind === "IDAT") data.push(content);
    if (kind === "PLTE") palette = Array.from(content, (byte) => byte.toString(16).padStart(2, "0")).join("");
    if (kind === "tRNS") opacity = content;
    const decoder = { tEXt: latin, iTXt: new TextDecoder() }[kind];
    if (decoder) {
      const [name, ...values] = decoder.decode(content).split("\0");
      // tEXt is "keyword\0text", iTXt has flags and languages between the two.
      text[name] = values.at(-1) ?? "";
    }
    at += 12 + length;
  }
  return { header, text, data, palette, opacity };
}

/**
 * Unpack the pixels' zlib stream. Raise EngineError if it is damaged, or has another
 * length than the header states.
 *
 * @param {Uint8Array<ArrayBuffer>[]} data
 * @param {number} size - Number of bytes that the header states.
 */
async function inflated(data, size) {
  /** @type {Uint8Array<ArrayBuffer>[]} */
  const parts = [];
  const reader = new Blob(data).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
  let length = 0;
  for (;;) {
    const { value, done } = await reader.read().catch(() => {
      throw new EngineError("the PNG is damaged: its pixels cannot be unpacked");
    });
    if (done) break;
    parts.push(value);
    length += value.length;
    // A small file may unpack to any size, so the rest is not unpacked.
    if (length > size) {
      reader.cancel().catch(() => {});
      throw new EngineError("the PNG is damaged: it has more pixels than its header states");
    }
  }
  if (length < size) throw new EngineError("the PNG is damaged: it lacks pixels");
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/**
 * Undo the filter of each row (section 9 of the PNG specification); return the bytes of
 * the pixels.
 *
 * @param {Uint8Array} raw - For each row, the number of its filter and then its bytes.
 * @param {number} rows
 * @param {number} length - Bytes of a row.
 * @param {number} step - Bytes of a pixel.
 */
function unfiltered(raw, rows, length, step) {
  const pixels = new Uint8Array(rows * length);
  for (let y = 0; y < rows; y++) {
    const filter = raw[y * (length + 1)];
    for (let i = 0; i < length; i++) {
      const at = y * length + i;
      const left = i < step ? 0 : pixels[at - step];
      const up = y ? pixels[at - length] : 0;
      const corner = i < step || !y ? 0 : pixels[at - length - step];
      pixels[at] = raw[y * (length + 1) + 1 + i] + prediction(filter, left, up, corner);
    }
  }
  return pixels;
}

/**
 * Return one byte for each value of rows that have 8 / depth values in a byte.
 *
 * @param {Uint8Array} packed - Rows of whole bytes. The first value of a byte has its
 *     highest bits.
 * @param {number} rows
 * @param {number} width - Values of a row.
 * @param {number} depth - Bits of a value: 1, 2, 4 or 8.
 */
function unpacked(packed, rows, width, depth) {
  if (depth === 8) return packed;
  const length = packed.length / rows;
  const values = new Uint8Array(rows * width);
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < width; x++) {
      const bit = x * depth;
      const byte = packed[y * length + Math.floor(bit / 8)];
      values[y * width + x] = (byte >> (8 - depth - (bit % 8))) & (2 ** depth - 1);
    }
  }
  return values;
}

/**
 * Return the prediction of a byte by the filter of its row.
 *
 * @param {number} filter
 * @param {number} left - The same byte of the pixel to the left; 0 outside the picture.
 * @param {number} up
 * @param {number} corner - That of the pixel up and to the left.
 */
function prediction(filter, left, up, corner) {
  switch (filter) {
    case 1:
      return left;
    case 2:
      return up;
    case 3:
      return (left + up) >> 1;
    case 4:
      return nearest(left, up, corner);
    default:
      return 0;
  }
}

/**
 * Return the prediction of Paeth's filter: the neighbour that is nearest to left + up -
 * corner.
 *
 * @param {number} left
 * @param {number} up
 * @param {number} corner
 */
function nearest(left, up, corner) {
  const a = Math.abs(up - corner);
  const b = Math.abs(left - corner);
  const c = Math.abs(left + up - 2 * corner);
  if (a <= b && a <= c) return left;
  return b <= c ? up : corner;
}
