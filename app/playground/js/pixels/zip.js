/** Write several files as one ZIP archive. */

/** Table of CRC-32. */
const TABLE = Uint32Array.from({ length: 256 }, (_, i) => {
  let sum = i;
  for (let bit = 0; bit < 8; bit += 1) sum = sum & 1 ? 0xedb88320 ^ (sum >>> 1) : sum >>> 1;
  return sum;
});

/**
 * Return a ZIP archive of files, not compressed: pictures are compressed already.
 *
 * @param {{name: string, bytes: Uint8Array<ArrayBuffer>}[]} files - Path in the
 *     archive, in UTF-8, and content of each file; fewer than 65,536 files and less
 *     than 4 GiB.
 * @returns {Blob} The archive. All files are dated 1 January 1980.
 */
export function zipArchive(files) {
  const parts = [];
  const directory = [];
  let at = 0;
  for (const { name, bytes } of files) {
    const title = new TextEncoder().encode(name);
    // Version 2.0, names in UTF-8, not compressed, 1 January 1980.
    const facts = [20, 0x800, 0, 0, 0x21, crc(bytes), bytes.length, bytes.length, title.length, 0];
    const local = record("4HHHHH444HH", [0x04034b50, ...facts]);
    directory.push(record("4HHHHHH444HHHHH44", [0x02014b50, 20, ...facts, 0, 0, 0, 0, at]), title);
    parts.push(local, title, bytes);
    at += local.length + title.length + bytes.length;
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0);
  const end = record("4HHHH44H", [0x06054b50, 0, 0, files.length, files.length, size, at, 0]);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}

/**
 * Return numbers of two (H) or four (4) bytes, little-endian.
 *
 * @param {string} format
 * @param {number[]} numbers
 */
function record(format, numbers) {
  const view = new DataView(new ArrayBuffer([...format].reduce((sum, one) => sum + (one === "H" ? 2 : 4), 0)));
  let at = 0;
  [...format].forEach((one, i) => {
    if (one === "H") view.setUint16(at, numbers[i], true);
    else view.setUint32(at, numbers[i], true);
    at += one === "H" ? 2 : 4;
  });
  return new Uint8Array(view.buffer);
}

/** @param {Uint8Array} bytes */
function crc(bytes) {
  let sum = 0xffffffff;
  for (const byte of bytes) sum = TABLE[(sum ^ byte) & 0xff] ^ (sum >>> 8);
  return (sum ^ 0xffffffff) >>> 0;
}
