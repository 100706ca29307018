/** Types that the modules of a completion share. */

import type { Drawing } from "../types";

/** The size of an image in pixels. */
export interface Size {
  height: number;
  width: number;
}

/** One particle of a sweep: the stage word of its noise, its given pixels and its label. */
export interface Particle {
  noise: bigint;
  known: Uint8Array;
  keep: Uint8Array;
  label?: number;
}

/** The given pixels and the noise of one image, upright. */
export interface Given {
  known: Uint8Array;
  keep: Uint8Array;
  seed: bigint;
  sample: number;
  temperature: number;
  /** Nats that only 1 % of the validation images exceed; null if unknown. */
  strangeNats: number | null;
}

/** Images and their weights, which add up to 1. */
export interface Weighted {
  images: Uint8Array[];
  weights: number[];
}

/** Called with weighted images and a mask of the pixels that they have just drawn. */
export type Listener = (draws: Weighted, where: Uint8Array) => void;

/** A label that images of a member may have, with its prior; without a label the prior is 1. */
export interface Component {
  label?: number;
  prior: number;
}

/** Labels of particles, if the model has labels. */
export interface Labels {
  labels?: number[];
}

/** Seed and number of an image, which select its noise. */
export type Noise = Pick<Drawing, "seed" | "sample">;
