/** What the modules of a completion hand each other. */

import type { Drawing } from "../types";

export interface Size {
  height: number;
  width: number;
}

/** One of an island's particles: its noise, and what is given to it. */
export interface Particle {
  noise: bigint;
  known: Uint8Array;
  keep: Uint8Array;
  label?: number;
}

/** The material of one image, the right way up. */
export interface Given {
  known: Uint8Array;
  keep: Uint8Array;
  seed: bigint;
  sample: number;
  temperature: number;
  /** Hardly any image has so many. */
  strangeNats: number | null;
}

/** Images and their weights, which add up to 1. */
export interface Weighted {
  images: Uint8Array[];
  weights: number[];
}

/** Hears of particles, and which pixels were drawn. */
export type Took = (draws: Weighted, where: Uint8Array) => void;

/** A member given one label, if it has any; prior: of that label. */
export interface Component {
  label?: number;
  prior: number;
}

export interface Labels {
  labels?: number[];
}

export type Noise = Pick<Drawing, "seed" | "sample">;
