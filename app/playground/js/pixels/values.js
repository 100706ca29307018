/** Pictures as the engine has them: whole numbers below V, colour after colour, each row by row. Knows no element. */

/** @typedef {{width: number, height: number, channels: number, values: number}} Shape */

/** @param {ImageData} picture @param {Shape} shape @returns {Uint8Array} each value the nearest to the byte */
export function valuesOf({ data }, { width, height, channels, values }) {
  const size = width * height;
  const byteAt = (/** @type {number} */ i) => data[4 * (i % size) + Math.floor(i / size)];
  return Uint8Array.from({ length: channels * size }, (_, i) => Math.round((byteAt(i) * (values - 1)) / 255));
}

/** @param {ArrayLike<number>} found values, or means of them @param {Shape} shape */
export function pictureOfValues(found, { width, height, channels, values }) {
  const size = width * height;
  const picture = new ImageData(width, height);
  for (let i = 0; i < size; i += 1) {
    const colours = [0, 1, 2].map((c) => byteOf(found[(channels === 1 ? 0 : c) * size + i], values));
    picture.data.set([...colours, 255], 4 * i);
  }
  return picture;
}

/** As in the files that the service writes. @param {number} value @param {number} levels */
export function byteOf(value, levels) {
  return Math.floor((value * 255 + ((levels - 1) >> 1)) / (levels - 1));
}
