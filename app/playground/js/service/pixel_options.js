/** The options that change the pixels of drawn images. Made by `python -m app.openapi_file`. */

/** Pictures that name a later version say options that are not known here. */
export const VERSION = 10;

/** Of each kind of job the options, with the type of their values. @type {Record<string, Record<string, string>>} */
export const PIXEL_OPTIONS = {
  sample: {
    first: "integer",
    size: "text",
    label: "texts",
  },
  complete: {
    first: "integer",
    label: "text",
    colours: "text",
    method: "text",
    particles: "integer",
    sweeps: "integer",
  },
  upsample: {
    first: "integer",
    label: "text",
  },
};

/**
 * @typedef {object} PixelOptions
 * @property {number | null} [first]
 * @property {string | null} [size]
 * @property {string | string[] | null} [label]
 * @property {string | null} [colours]
 * @property {string | null} [method]
 * @property {number | null} [particles]
 * @property {number | null} [sweeps]
 */
