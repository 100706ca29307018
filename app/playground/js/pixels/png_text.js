/**
 * Read the text of a PNG file, in which the server writes how the picture was drawn.
 */

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];

/**
 * Return the text chunks of a PNG, tEXt and iTXt.
 *
 * @param {ArrayBuffer} file - The file, or its beginning: chunks that are cut off are
 *     ignored.
 * @returns {Record<string, string>} Value of each chunk by its keyword; empty if the
 *     bytes are no PNG. A compressed iTXt chunk gives unreadable text.
 */
export function textOf(file) {
  /** @type {Record<string, string>} */
  const found = {};
  const bytes = new Uint8Array(file);
  if (!SIGNATURE.every((byte, i) => bytes[i] === byte)) return found;
  const view = new DataView(file);
  const latin = new TextDecoder("latin1");
  for (let at = SIGNATURE.length; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at);
    if (at + 12 + length > bytes.length) break;
    const kind = latin.decode(bytes.subarray(at + 4, at + 8));
    const content = bytes.subarray(at + 8, at + 8 + length);
    const decoder = { tEXt: latin, iTXt: new TextDecoder() }[kind];
    if (decoder) {
      const [name, ...values] = decoder.decode(content).split("\0");
      found[name] = values.at(-1) ?? "";
    }
    at += 12 + length;
  }
  return found;
}
