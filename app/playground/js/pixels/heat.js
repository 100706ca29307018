/** Bits of each pixel as colours: black 0, red, yellow, white a uniform guess and above, as the server's heat maps. */

const DIMMED = 0.45;

/**
 * @param {number[]} shares of a uniform guess, pixel by pixel
 * @param {number} width
 */
export function heatPicture(shares, width) {
  const picture = new ImageData(width, shares.length / width);
  shares.forEach((share, i) => picture.data.set([...heatColour(share), 255], 4 * i));
  return picture;
}

/**
 * The picture in dim grey, and glowing where it surprised the model: colours mean bits, as in the heat map.
 *
 * @param {number[]} shares
 * @param {ImageData} picture
 */
export function glowing(shares, picture) {
  const mixed = heatPicture(shares, picture.width);
  shares.forEach((share, i) => {
    const [red, green, blue] = picture.data.slice(4 * i);
    const grey = DIMMED * (0.299 * red + 0.587 * green + 0.114 * blue);
    const part = Math.min(0.85, 1.5 * share);
    for (let at = 4 * i; at < 4 * i + 3; at += 1) mixed.data[at] = part * mixed.data[at] + (1 - part) * grey;
  });
  return mixed;
}

/** @param {number} share of a uniform guess @returns {number[]} red, green, blue */
function heatColour(share) {
  return [3 * share, 3 * share - 1, 3 * share - 2].map((part) => Math.round(255 * Math.min(1, Math.max(0, part))));
}
