/** Bits of each pixel as colours: black 0, red, yellow, white a uniform guess and above, as the server's heat maps. */

/**
 * @param {number[][]} bits of each pixel, rows of columns
 * @param {number} uniformBits
 */
export function heatPicture(bits, uniformBits) {
  const picture = new ImageData(bits[0].length, bits.length);
  bits.flat().forEach((pixel, i) => picture.data.set([...heatColour(pixel / uniformBits), 255], 4 * i));
  return picture;
}

/** @param {number} share of a uniform guess @returns {number[]} red, green, blue */
export function heatColour(share) {
  return [3 * share, 3 * share - 1, 3 * share - 2].map((part) => Math.round(255 * Math.min(1, Math.max(0, part))));
}
