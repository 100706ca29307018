/**
 * Pictures as pixels: read from files, cropped to a model's size, written as PNG.
 *
 * A picture is an ImageData: red, green, blue and opacity of each pixel, 0 to 255.
 */

/** @import {Model, Size} from "../types" */

/** Colour of the lines between the pictures of a grid, as the server paints them. */
const GAP = "rgb(128, 128, 128)";

/**
 * Return a new, transparent canvas element that is not in the page.
 *
 * @param {number} width - Width in pixels.
 * @param {number} height - Height in pixels.
 * @returns {HTMLCanvasElement}
 */
export function blankCanvas(width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  return canvas;
}

/**
 * Return the 2D context of a canvas. The browser keeps its pixels in main memory,
 * because the page reads them often.
 *
 * @param {HTMLCanvasElement} canvas
 * @returns {CanvasRenderingContext2D}
 */
export function contextOf(canvas) {
  return /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
}

/**
 * Load a picture and decode it.
 *
 * @param {string} url - Address, or a data or blob URL.
 * @returns {Promise<HTMLImageElement>} A new image element that is not in the page.
 * @throws {EncodingError} if it cannot be fetched or is no picture.
 */
export async function load(url) {
  const image = new Image();
  image.alt = "";
  image.src = url;
  await image.decode();
  return image;
}

/**
 * Scale a picture and cut its middle out, so that it has exactly this size.
 *
 * @param {CanvasImageSource & Size} source - Picture with a width and height in pixels.
 * @param {Size} size - Size of the result in pixels.
 * @param {string} paper - Colour behind transparent pixels. With "transparent" they
 *     stay so, and no colours are mixed.
 * @returns {ImageData} A new picture.
 */
export function cropTo(source, size, paper = "black") {
  const { width, height } = size;
  const scale = Math.max(width / source.width, height / source.height);
  const [cutWidth, cutHeight] = [width / scale, height / scale];
  const brush = contextOf(blankCanvas(width, height));
  brush.fillStyle = paper;
  brush.fillRect(0, 0, width, height);
  // A mixture of two colours of a palette is usually no colour of it.
  brush.imageSmoothingEnabled = scale < 1 && paper !== "transparent";
  brush.imageSmoothingQuality = "high";
  const [left, top] = [(source.width - cutWidth) / 2, (source.height - cutHeight) / 2];
  brush.drawImage(source, left, top, cutWidth, cutHeight, 0, 0, width, height);
  return brush.getImageData(0, 0, width, height);
}

/**
 * Replace each colour by the nearest one that a model knows. Changes the picture and
 * returns it.
 *
 * @param {ImageData} picture - Any colours.
 * @param {Model} model - With a palette, the nearest colour of it is taken; with one
 *     channel, grey; else the nearest of the model's values.
 * @returns {ImageData}
 */
export function quantise(picture, model) {
  const { data } = picture;
  const steps = model.values - 1;
  const palette = (model.palette ?? []).map(rgbaOf);
  if (palette.length) {
    for (let at = 0; at < data.length; at += 4)
      data.set(palette[nearestColour(palette, data.subarray(at, at + 4))], at);
    return picture;
  }
  for (let at = 0; at < data.length; at += 4) {
    const grey = 0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2];
    for (let colour = 0; colour < 3; colour += 1) {
      const value = model.channels === 1 ? grey : data[at + colour];
      data[at + colour] = Math.round((Math.round((value / 255) * steps) / steps) * 255);
    }
  }
  return picture;
}

/** A transparent pixel. */
const CLEAR = [0, 0, 0, 0];

/**
 * Return red, green, blue and opacity of a colour of a palette, 0 to 255.
 *
 * @param {string} colour - "#rrggbb" or "#rrggbbaa".
 * @returns {number[]} Four numbers. Every fully transparent colour gives [0, 0, 0, 0],
 *     as in the service.
 */
export function rgbaOf(colour) {
  const parts = [1, 3, 5, 7].map((at) => parseInt(colour.slice(at, at + 2) || "ff", 16));
  return parts[3] ? parts : CLEAR;
}

/**
 * Return the index of the colour of a palette that is nearest to a pixel, by the sum of
 * squared differences.
 *
 * @param {number[][]} palette - Red, green, blue and opacity of each colour, as
 *     `rgbaOf` returns them.
 * @param {ArrayLike<number>} pixel - Red, green, blue and opacity. A fully transparent
 *     pixel counts as [0, 0, 0, 0].
 */
export function nearestColour(palette, pixel) {
  const wanted = pixel[3] ? pixel : CLEAR;
  const apart = palette.map((colour) => colour.reduce((sum, part, i) => sum + (part - wanted[i]) ** 2, 0));
  return apart.indexOf(Math.min(...apart));
}

/**
 * Write bytes as the server sends them into a picture.
 *
 * @param {ImageData} picture - It is changed from row `y` on; the rows must fit.
 * @param {string} base64 - Bytes of the colours of each pixel, or, with a palette, the
 *     index of each pixel's colour.
 * @param {{channels: number, palette?: string[] | null}} look - Number of channels, and
 *     the palette if there is one.
 * @param {number} [y] - First row. Default: 0.
 */
export function writeBytes({ data, width }, base64, { channels, palette }, y = 0) {
  const bytes = atob(base64);
  const first = width * y;
  if (palette?.length) {
    for (let at = 0; at < bytes.length; at += 1) data.set(rgbaOf(palette[bytes.charCodeAt(at)]), 4 * (first + at));
    return;
  }
  for (let at = 0; at < bytes.length; at += channels) {
    const pixel = 4 * (first + at / channels);
    for (let colour = 0; colour < 3; colour += 1) {
      data[pixel + colour] = bytes.charCodeAt(channels === 1 ? at : at + colour);
    }
    data[pixel + 3] = 255;
  }
}

/**
 * Return the expected values of a completion, sent while it is drawn, as a picture.
 *
 * @param {{mean: string}} estimate - Data of an `estimate` event; `mean` is base64, as
 *     `writeBytes` reads it.
 * @param {Size & {channels: number, palette?: string[] | null}} job - Size, channels
 *     and palette of the job's images.
 * @returns {ImageData} A new picture.
 */
export function pictureOfEstimate({ mean }, job) {
  const picture = new ImageData(job.width, job.height);
  writeBytes(picture, mean, job);
  return picture;
}

/**
 * Return a new canvas element that shows a picture at its own size.
 *
 * @param {ImageData} picture
 * @returns {HTMLCanvasElement}
 */
export function canvasOf(picture) {
  const canvas = blankCanvas(picture.width, picture.height);
  contextOf(canvas).putImageData(picture, 0, 0);
  return canvas;
}

/**
 * Return a picture as the data URL of a PNG file.
 *
 * @param {ImageData} picture
 */
export function dataUrlOf(picture) {
  return canvasOf(picture).toDataURL("image/png");
}

/**
 * Return a picture as a PNG file.
 *
 * @param {ImageData} picture
 * @param {number} [scale] - Side of the square that each pixel becomes. Default: 1.
 * @returns {Promise<Blob>}
 * @throws {Error} if the browser cannot make the file.
 */
export function pngOf(picture, scale = 1) {
  const canvas = blankCanvas(scale * picture.width, scale * picture.height);
  const context = contextOf(canvas);
  context.imageSmoothingEnabled = false;
  context.drawImage(canvasOf(picture), 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) =>
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no PNG"))), "image/png"),
  );
}

/**
 * Let the browser download a file.
 *
 * @param {Blob} blob - Content of the file.
 * @param {string} name - Name of the file.
 */
export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/**
 * Return a picture file, of any format that the browser reads, as the data URL of a PNG
 * file.
 *
 * @param {Blob} blob
 * @returns {Promise<string>}
 * @throws {EncodingError} if the file is no picture.
 */
export async function dataUrlOfFile(blob) {
  return dataUrlOf(await pictureOf(blob));
}

/**
 * Return the pixels of a picture file.
 *
 * @param {Blob} file
 * @returns {Promise<ImageData>}
 * @throws {EncodingError} if the file is no picture.
 */
export async function pictureOf(file) {
  const url = URL.createObjectURL(file);
  try {
    return await pixelsOf(url);
  } finally {
    URL.revokeObjectURL(url);
  }
}

/**
 * Return the pixels of a picture at an address.
 *
 * @param {string} url - Address, or a data or blob URL.
 * @param {Size} [size] - Size to which it is cropped. Default: its own.
 * @returns {Promise<ImageData>}
 * @throws {EncodingError} if it cannot be fetched or is no picture.
 */
export async function pixelsOf(url, size) {
  const image = await load(url);
  return cropTo(image, size ?? image, "transparent");
}

/**
 * Return a mask as a picture: white for a pixel to fill, black for one to keep.
 *
 * @param {Uint8Array} hole - Mask, row by row: 1 for a pixel to fill.
 * @param {Size} size
 * @returns {ImageData}
 */
export function maskPicture(hole, { width, height }) {
  const picture = new ImageData(width, height);
  hole.forEach((filled, i) => picture.data.set(filled ? [255, 255, 255, 255] : [0, 0, 0, 255], 4 * i));
  return picture;
}

/**
 * Return the mask that a picture shows.
 *
 * @param {ImageData} mask - Only its red is read.
 * @returns {Uint8Array} A number for each pixel, row by row: 1 (fill) if red is 128 or
 *     more, else 0.
 */
export function holeOf(mask) {
  return Uint8Array.from({ length: mask.width * mask.height }, (_, i) => (mask.data[4 * i] >= 128 ? 1 : 0));
}

/**
 * Lay pictures of one size out as a near-square grid with lines of one pixel between
 * them, as the server does.
 *
 * @param {ImageData[]} pictures - At least one, all of the same size.
 * @returns {ImageData} A new picture.
 */
export function gridOf(pictures) {
  const [{ width, height }] = pictures;
  const columns = Math.ceil(Math.sqrt(pictures.length));
  const lines = Math.ceil(pictures.length / columns);
  const canvas = blankCanvas(columns * (width + 1) - 1, lines * (height + 1) - 1);
  const context = contextOf(canvas);
  if (pictures.length > 1) {
    context.fillStyle = GAP;
    context.fillRect(0, 0, canvas.width, canvas.height);
  }
  pictures.forEach((picture, k) => {
    context.putImageData(picture, (k % columns) * (width + 1), Math.floor(k / columns) * (height + 1));
  });
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

/**
 * Return the images of a near-square grid with lines of one pixel between them.
 *
 * @param {ImageData} grid - The whole picture.
 * @param {number} many - Number of images.
 * @param {Size} size - Size of one image.
 * @returns {ImageData[]} A new picture for each image, row by row.
 */
export function splitGrid(grid, many, { width, height }) {
  const columns = Math.ceil(Math.sqrt(many));
  return Array.from({ length: many }, (_, k) => {
    const [left, top] = [(k % columns) * (width + 1), Math.floor(k / columns) * (height + 1)];
    const one = new ImageData(width, height);
    for (let y = 0; y < height; y += 1) {
      const start = 4 * ((top + y) * grid.width + left);
      one.data.set(grid.data.subarray(start, start + 4 * width), 4 * y * width);
    }
    return one;
  });
}
