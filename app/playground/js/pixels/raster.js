/** Pictures as pixels: read from files, fitted to a model, and written as PNG. */

/** @import {Model, Size} from "../types" */

/** Between the pictures of a grid, as the server has it. */
const GAP = "rgb(128, 128, 128)";

/** @param {number} width @param {number} height */
export function blankCanvas(width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  return canvas;
}

/** @param {HTMLCanvasElement} canvas */
export function contextOf(canvas) {
  return /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
}

/**
 * @param {string} url
 * @returns {Promise<HTMLImageElement>} rejects when it is no picture
 */
export async function load(url) {
  const image = new Image();
  image.alt = "";
  image.src = url;
  await image.decode();
  return image;
}

/**
 * The middle of the picture, as large as its shape allows, at exactly this size.
 *
 * @param {CanvasImageSource & Size} source
 * @param {Size} size
 * @param {string} paper what lies behind transparent pixels
 * @returns {ImageData}
 */
export function cropTo(source, size, paper = "black") {
  const { width, height } = size;
  const scale = Math.max(width / source.width, height / source.height);
  const [cutWidth, cutHeight] = [width / scale, height / scale];
  const brush = contextOf(blankCanvas(width, height));
  brush.fillStyle = paper;
  brush.fillRect(0, 0, width, height);
  brush.imageSmoothingEnabled = scale < 1 && paper !== "transparent"; // no colour of a palette is between two others
  brush.imageSmoothingQuality = "high";
  const [left, top] = [(source.width - cutWidth) / 2, (source.height - cutHeight) / 2];
  brush.drawImage(source, left, top, cutWidth, cutHeight, 0, 0, width, height);
  return brush.getImageData(0, 0, width, height);
}

/**
 * As the model will see it: grey where it has one colour, each value the nearest of those it knows, or each pixel the
 * nearest colour of its palette. In place.
 *
 * @param {ImageData} picture
 * @param {Model} model
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

const CLEAR = [0, 0, 0, 0];

/**
 * Red, green, blue and opacity of a palette's colour. Whatever is wholly transparent is one colour, as in the service.
 *
 * @param {string} colour
 */
export function rgbaOf(colour) {
  const parts = [1, 3, 5, 7].map((at) => parseInt(colour.slice(at, at + 2) || "ff", 16));
  return parts[3] ? parts : CLEAR;
}

/** The place of the nearest colour. @param {number[][]} palette @param {ArrayLike<number>} pixel */
export function nearestColour(palette, pixel) {
  const seen = pixel[3] ? pixel : CLEAR;
  const apart = palette.map((colour) => colour.reduce((sum, part, i) => sum + (part - seen[i]) ** 2, 0));
  return apart.indexOf(Math.min(...apart));
}

/**
 * Bytes as the server sends them, the colours of a pixel side by side or its number in a palette, into a picture.
 *
 * @param {ImageData} picture
 * @param {string} base64
 * @param {{channels: number, palette?: string[] | null}} look
 * @param {number} [y] the row where they begin
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

/** What is expected so far. @param {{mean: string}} estimate @param {Size & {channels: number, palette?: string[] | null}} job */
export function pictureOfEstimate({ mean }, job) {
  const picture = new ImageData(job.width, job.height);
  writeBytes(picture, mean, job);
  return picture;
}

/** What a Multi-Scale model draws first. @param {{small_width: number, small_height: number}} made */
export function smallSize({ small_width, small_height }) {
  return { width: small_width, height: small_height };
}

/** @param {ImageData} picture */
export function canvasOf(picture) {
  const canvas = blankCanvas(picture.width, picture.height);
  contextOf(canvas).putImageData(picture, 0, 0);
  return canvas;
}

/** @param {ImageData} picture */
export function dataUrlOf(picture) {
  return canvasOf(picture).toDataURL("image/png");
}

/**
 * @param {ImageData} picture
 * @param {number} [scale] each pixel becomes a square of so many
 * @returns {Promise<Blob>}
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

/** Hand it to the person as a file. @param {Blob} blob @param {string} name */
export function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** As an address that can be kept. @param {Blob} blob @returns {Promise<string>} */
export async function dataUrlOfFile(blob) {
  return dataUrlOf(await pictureOf(blob));
}

/** @param {Blob} file */
export async function pictureOf(file) {
  const url = URL.createObjectURL(file);
  try {
    return await pixelsOf(url);
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** @param {string} url @param {Size} [size] */
export async function pixelsOf(url, size) {
  const image = await load(url);
  return cropTo(image, size ?? image, "transparent");
}

/**
 * Black and white: 1 becomes white.
 *
 * @param {Uint8Array} hole
 * @param {Size} size
 */
export function maskPicture(hole, { width, height }) {
  const picture = new ImageData(width, height);
  hole.forEach((filled, i) => picture.data.set(filled ? [255, 255, 255, 255] : [0, 0, 0, 255], 4 * i));
  return picture;
}

/** @param {ImageData} mask @returns {Uint8Array} 1 = fill */
export function holeOf(mask) {
  return Uint8Array.from({ length: mask.width * mask.height }, (_, i) => (mask.data[4 * i] >= 128 ? 1 : 0));
}

/** Lay pictures of one size side by side, as the server does in a grid. @param {ImageData[]} pictures */
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

/** The images of a near-square picture, a pixel between them. @param {ImageData} grid @param {number} many @param {Size} size */
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
