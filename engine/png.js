/**
 * Read PNG files of drawn samples: what each says of how it was drawn, and what it shows.
 *
 * A file may have only chunks that let no program show anything else than its pixels, as
 * in worker/contract/drawn_picture.py. Some that the service reads are refused here.
 */

import { EngineError } from "./files.js";

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
/** Pixels of a file, at most: a small file could otherwise unpack to any size. */
const MOST_PIXELS = 2 ** 26;
/** The chunks of the picture itself, in their order. */
const PICTURE = ["IHDR", "PLTE", "tRNS", "IDAT", "IEND"];
/**
 * Further chunks that a picture may have, with the only numbers that leave its colours as
 * they are, those of sRGB; none: any content.
 *
 * @type {Record<string, number[]>}
 */
const HARMLESS = {
  tIME: [],
  bKGD: [],
  sRGB: [],
  gAMA: [45_455],
  cHRM: [31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000],
};
/** Colour types of the specification. */
const [GREY, RGB, INDEXED, GREY_ALPHA, RGBA] = [0, 2, 3, 4, 6];
/** Numbers of a pixel, by colour type. */
const CHANNELS = { [GREY]: 1, [RGB]: 3, [INDEXED]: 1, [GREY_ALPHA]: 2, [RGBA]: 4 };
const ELSEWHERE = "the service and `pixelrnn verify` can";

/**
 * What a file says of its picture. `depth`: bits of each number. `palette`: red, green and
 * blue of each colour, `opacity` of the first ones; the others are opaque. `data`: parts of
 * the packed pixels, which `pixelsOf` unpacks. `text`: texts by keyword.
 *
 * @typedef {{text: Record<string, string>, width: number, height: number, type: number, depth: number, palette: Uint8Array, opacity: Uint8Array, data: Uint8Array<ArrayBuffer>[]}} Png
 */

/**
 * Read a PNG without its pixels. The numbers of filters are not verified.
 *
 * @param {Uint8Array<ArrayBuffer>} bytes - The file.
 * @returns {Png}
 * @throws {EngineError} if the bytes are no complete PNG, if some program may show
 *     another picture than its pixels, or if the file is of a rare kind or too large.
 */
export function readPng(bytes) {
  if (!SIGNATURE.every((byte, i) => bytes[i] === byte)) throw new EngineError("this is not a PNG file");
  /** @type {Omit<Png, "width" | "height" | "type" | "depth">} */
  const found = { text: {}, palette: new Uint8Array(), opacity: new Uint8Array(), data: [] };
  /** @type {DataView} */
  let header = new DataView(new ArrayBuffer(13));
  let [last, rank] = ["", -1];
  for (const [name, content] of chunksOf(bytes)) {
    if (!last !== (name === "IHDR" && content.length === 13)) throw new EngineError("the PNG has no header");
    if (PICTURE.includes(name)) {
      const before = rank;
      rank = PICTURE.indexOf(name);
      const isRepeated = rank === before && !(name === "IDAT" && last === "IDAT");
      if (rank < before || isRepeated) throw changed(name, "in a wrong place");
    }
    const isColours = name === "PLTE" || name === "tRNS";
    if (name === "IHDR") header = viewOf(content);
    else if (isColours && header.getUint8(9) !== INDEXED)
      throw changed(name, "although its pixels are no indices of a palette");
    else if (name === "PLTE") found.palette = content;
    else if (name === "tRNS") found.opacity = content;
    else if (name === "IDAT") found.data.push(content);
    else if (["tEXt", "zTXt", "iTXt"].includes(name)) Object.assign(found.text, textOf(name, content));
    else if (name !== "IEND" && !isHarmless(name, content))
      throw changed(name, "with which a program may show something else than its pixels");
    last = name;
  }
  checkProfiles(found.text);
  return { ...found, ...factsOf(header) };
}

/**
 * Unpack what a PNG shows: for each pixel, row by row, its colour as `packed` returns it.
 *
 * A small file can hold many pixels, so check the size of the picture before.
 *
 * @param {Png} png
 * @returns {Promise<Uint32Array>}
 * @throws {EngineError} if pixels are missing, cannot be unpacked, or have no colour.
 */
export async function pixelsOf({ width, height, type, depth, palette, opacity, data }) {
  const channels = CHANNELS[type];
  const length = Math.ceil((width * channels * depth) / 8);
  const raw = await inflated(data, height * (1 + length));
  const step = Math.ceil((channels * depth) / 8);
  const values = unpacked(unfiltered(raw, height, length, step), height, width * channels, depth);
  return Uint32Array.from({ length: width * height }, (_, i) => {
    const [a, b, c, d] = values.subarray(i * channels, (i + 1) * channels);
    if (type === RGB) return packed(a, b, c, 255);
    if (type === RGBA) return packed(a, b, c, d);
    if (type === GREY_ALPHA) return packed(a, a, a, b);
    if (type === GREY) {
      const grey = (a * 255) / (2 ** depth - 1);
      return packed(grey, grey, grey, 255);
    }
    if (3 * a >= palette.length) throw new EngineError("the PNG is damaged: a pixel has no colour of its palette");
    return packed(palette[3 * a], palette[3 * a + 1], palette[3 * a + 2], opacity[a] ?? 255);
  });
}

/**
 * Return a colour as one number, 0xrrggbbaa. All completely transparent ones are 0.
 *
 * @param {number} red
 * @param {number} green
 * @param {number} blue
 * @param {number} opacity
 */
export const packed = (red, green, blue, opacity) =>
  opacity ? ((red << 24) | (green << 16) | (blue << 8) | opacity) >>> 0 : 0;

/** @param {Uint8Array} bytes */
const viewOf = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

/**
 * Yield the name and the content of each chunk. Raise EngineError where one is damaged or
 * missing, and if something follows the last one.
 *
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @returns {Generator<[string, Uint8Array<ArrayBuffer>]>}
 */
function* chunksOf(bytes) {
  const view = viewOf(bytes);
  let at = SIGNATURE.length;
  for (let name = ""; name !== "IEND"; ) {
    // A chunk has 4 bytes of length, 4 of name and 4 of checksum around its content.
    const end = at + 12 <= bytes.length ? at + 8 + view.getUint32(at) : Infinity;
    const isWhole = end + 4 <= bytes.length && crc32(bytes.subarray(at + 4, end)) === view.getUint32(end);
    if (!isWhole) throw new EngineError("the PNG is damaged or cut off");
    name = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    yield [name, bytes.subarray(at + 8, end)];
    at = end + 4;
  }
  if (at < bytes.length) throw new EngineError("bytes follow after the end of the PNG, such as a second picture");
}

/**
 * Return width, height, colour type and depth. Raise EngineError for those that are not
 * read here.
 *
 * @param {DataView} header
 */
function factsOf(header) {
  const [width, height] = [header.getUint32(0), header.getUint32(4)];
  const [depth, type, , , interlaced] = Array.from({ length: 5 }, (_, i) => header.getUint8(8 + i));
  if (depth === 16 || interlaced) {
    throw new EngineError(`this engine reads no PNG that is interlaced or has 16 bits a colour: ${ELSEWHERE}`);
  }
  const depths = { [GREY]: [1, 2, 4, 8], [INDEXED]: [1, 2, 4, 8] }[type] ?? [8];
  if (!(type in CHANNELS) || !depths.includes(depth)) throw new EngineError("the PNG is damaged: its header");
  if (!(width * height > 0 && width * height < MOST_PIXELS)) {
    throw new EngineError(`the PNG has ${width}x${height} pixels, which are none or too many`);
  }
  return { width, height, type, depth };
}

/**
 * Return the text of a chunk, by its keyword. Raise EngineError for a compressed or
 * damaged one.
 *
 * @param {string} name
 * @param {Uint8Array} content
 */
function textOf(name, content) {
  const isLatin = name === "tEXt";
  let text = "";
  try {
    text = new TextDecoder(isLatin ? "latin1" : "utf-8", { fatal: true }).decode(content);
  } catch {
    throw new EngineError("the PNG is damaged: one of its texts");
  }
  // An iTXt chunk has two flags, a language and a translated keyword before its text.
  const parts = text.match(isLatin ? /^([^\0]*)\0(.*)$/s : /^([^\0]*)\0\0.[^\0]*\0[^\0]*\0(.*)$/s);
  if (!parts) throw new EngineError(`this engine reads no compressed text in a PNG: ${ELSEWHERE}`);
  return { [parts[1]]: parts[2] };
}

/**
 * Raise EngineError for texts by which some programs turn or recolour a picture: profiles
 * in the form of ImageMagick, and an XMP packet with an orientation.
 *
 * @param {Record<string, string>} text
 */
function checkProfiles(text) {
  const isProfile = Object.keys(text).some((key) => key.startsWith("Raw profile type "));
  if (isProfile || text["XML:com.adobe.xmp"]?.includes("Orientation"))
    throw new EngineError("another program saved the PNG: one of its texts may turn or recolour it");
}

/**
 * @param {string} name
 * @param {Uint8Array} content
 */
function isHarmless(name, content) {
  const view = viewOf(content);
  // Pixels that are not square would be stretched.
  if (name === "pHYs") return content.length === 9 && view.getUint32(0) === view.getUint32(4);
  const numbers = HARMLESS[name];
  if (!numbers) return false;
  return (
    !numbers.length || (content.length === 4 * numbers.length && numbers.every((n, i) => view.getUint32(4 * i) === n))
  );
}

/**
 * @param {string} name
 * @param {string} reason
 */
const changed = (name, reason) => new EngineError(`another program saved the PNG: it has a chunk ${name} ${reason}`);

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
    if (filter > 4) throw new EngineError("the PNG is damaged: a row has an unknown filter");
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

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});

/**
 * Return the CRC-32 of some bytes (polynomial 0xedb88320, as in zip and PNG), from 0 to
 * 2^32 - 1.
 *
 * @param {Uint8Array} bytes
 * @returns {number}
 */
function crc32(bytes) {
  let crc = -1;
  for (const byte of bytes) crc = (crc >>> 8) ^ CRC_TABLE[(crc ^ byte) & 255];
  return ~crc >>> 0;
}
