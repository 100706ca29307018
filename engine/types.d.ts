/**
 * Types that the modules of the JavaScript engine share.
 *
 * model_core/portable/table.py describes the fields of portable.json.
 */

import type { PixelOptions } from "./pixel_options.js";

/** How images are turned for a member, as in Pillow's `Image.Transpose`. */
export type Orientation =
  | "none"
  | "flip_left_right"
  | "flip_top_bottom"
  | "rotate_90"
  | "rotate_180"
  | "rotate_270"
  | "transpose"
  | "transverse";

/** A fixed size, or [a, b] for a + b * images. */
export type Size = number | [number, number];

/** An argument of the drawing loop: a number, or an array. */
export interface Entry {
  name: string;
  /** The number, if it is no array. */
  value?: number;
  dtype?: "bool" | "float32" | "float64" | "int64" | "uint8" | "uint64";
  shape?: Size[];
  /** Offset among the weights in bytes, of an array of weights. */
  at?: number;
  /** First values: zeros, the index within a row, the state outside an image, or the drawing code's. */
  fill?: "zeros" | "count" | "outside" | "drawer";
  /** The last cell, that of the scratch slot, keeps zeros. */
  last?: "zero";
  /** Each image starts this array anew. */
  kept?: boolean;
  /** Copied with the state within an unfinished row, by cells or by columns. */
  row?: "cells" | "columns";
}

/** A file of weights in the folder of a model. */
export interface WeightsFile {
  file: string;
  bytes: number;
  sha256: string;
}

/** The content of portable.json. */
export interface Description {
  format: number;
  name: string;
  /** Digest of the weights. */
  sha256: string;
  /** Digest of everything that gives the model its meaning: model_core/card.py. */
  identity: string;
  data: string;
  kind: string;
  sources: string;
  image: Shape;
  /** Colours of the categories, `#rrggbb` or `#rrggbbaa`. Default: values are no categories. */
  palette?: string[];
  members: { orientation: Orientation; weights: WeightsFile }[];
  /** Networks that propose draws for holes. Default: none. */
  guides?: GuideDescription[];
  /** Labels of images with the prior of each; empty for most models. */
  labels: { name: string; prior: number }[];
  /** Learnt weights of all members; absent if an earlier version exported the model. */
  parameters?: number;
  /** Nats that only 1 % of the validation images exceed; null if unknown. */
  strange_nats: number | null;
  table: Entry[];
}

/** The shape of an image and the number of values of a variable. */
export interface Shape extends Size3 {
  values: number;
  /** True if the values have no order. */
  categories?: boolean;
}

/** A network that proposes draws for holes: a member, by its index, or a network of its own. */
export interface GuideDescription extends Partial<Pick<Description, "kind" | "sources" | "table">> {
  orientation: Orientation;
  member?: number;
  weights?: WeightsFile;
}

/** A loaded guide. */
export interface Guide {
  orientation: Orientation;
  member?: number;
  description: Description;
  program: Program;
  weights: Uint8Array;
}

/** The size of an image in colours and pixels. */
export interface Size3 {
  channels: number;
  height: number;
  width: number;
}

/** An image of a model. */
export interface Picture {
  /** Whole numbers from 0 to V - 1 in the order (channels, height, width). */
  values: Uint8Array;
  width: number;
  height: number;
  channels: number;
}

/** A drawn image. */
export interface Draw extends Picture {
  /** -ln of its probability under the distribution that drew it; null if `weighed` was false. */
  nats: number | null;
  /** The same in bits, divided by the number of values. */
  bitsPerDim: number | null;
}

/** Called with a finished row: index of the image, row, and values (channels, width). */
export type OnRow = (image: number, y: number, values: Uint8Array) => void;

/** A label: its name or index. */
export type Label = string | number;

/** One label for all images, or a list with one for each. */
export type Labels = Label | Label[];

/** Options of calls that take one label. */
export interface LabelOptions {
  label?: Label;
}

/** Further options of a job that change pixels. The JavaScript engine refuses `size`: only the service draws larger pictures. */
export type StageOptions = Omit<PixelOptions, "first" | "label" | "colours" | "method" | "particles" | "sweeps">;

/** Options of `sample`. */
export interface SampleOptions extends StageOptions {
  /** Number of images. Default: 1, or the length of a list of labels. */
  n?: number;
  /** A whole number from 0 to 2^63 - 1; a bigint if it has more than 53 bits. */
  seed: number | bigint;
  /** Above 0. Default: 1. */
  temperature?: number;
  /** Number of the first image among those of the seed. Default: 0. */
  first?: number;
  /** Default: the noise chooses a label by the priors, if the model has labels. */
  label?: Labels;
  /** Compute the probability of each image. Default: true. */
  weighed?: boolean;
  onRow?: OnRow;
  /** Cancels the call, which is rejected with the signal's reason. */
  signal?: AbortSignal;
}

/** Options of `complete`. */
export interface CompleteOptions extends Omit<SampleOptions, "weighed"> {
  /** Values (channels, height, width); only those of given pixels are read. */
  known: ArrayLike<number>;
  /** For each pixel, row by row, whether it is given. */
  keep: ArrayLike<number | boolean>;
  /**
   * "posterior": draw from p(hole | all given pixels). "clamp": the first member draws each
   * pixel given those before it in its order. Default: "posterior".
   */
  method?: "posterior" | "clamp";
  /** Particles of each image, 1 to 256. Default: 32. */
  particles?: number;
  /** Rounds of a chain, at most: 0 to 16. Default: 2. */
  sweeps?: number;
}

/** The result of `complete`. */
export interface Completion {
  images: Picture[];
  exact: boolean;
  member: Orientation;
  receipt: Receipt;
  /** Expected value of each variable, in the order of a picture's values; null for "clamp". */
  mean: Float64Array | null;
  /** Entropy of each variable in bits, 0 for a given one; null for "clamp". */
  entropyBits: Float64Array | null;
}

export type Quality = "exact" | "good" | "rough" | "poor";

/** How good completions are: `result.posterior` of the service. docs/internals/posterior.md explains the fields. */
export interface Receipt {
  exact: boolean;
  member: Orientation;
  quality: Quality | null;
  /** The quality of each image. */
  qualities: Quality[] | null;
  particles: number;
  ess: number | null;
  distinct: number | null;
  evidence_nats: number | null;
  evidence_sd: number | null;
  nats: number[] | null;
  apart_nats: number | null;
  /** Index of the last image's label, in a model with labels. */
  label?: number;
}

/** The result of `verify`: whether the model drew a picture, and where it differs. */
export interface Verdict {
  verified: boolean;
  seed: bigint;
  samples: number;
  /** Places that differ, each within its sample; `sample` is null for a place of the sheet outside its images. */
  changed: { sample: number | null; x: number; y: number }[];
  /** True if the picture names another identity: the model's labels or priors were different then. */
  cardChanged: boolean;
}

/** An image to draw in a slot of a stage. */
export interface Drawing extends Omit<StageOptions, "size"> {
  seed: bigint;
  sample: number;
  temperature: number;
  /** Stage word of its noise. Default: that of an image's pixels. */
  noise?: bigint;
  known?: Uint8Array;
  keep?: Uint8Array;
  /** Mask of the pixels, given or drawn, whose ln p is summed. */
  weighed?: Uint8Array;
  label?: number;
}

/** A label that images of a member may have, if the model has labels, and ln of its share of the model. */
export interface Component {
  label?: number;
  logShare: number;
}

/** An image to draw: index of the member, index of the image in the result, and the drawing. */
export interface Order {
  member: number;
  index: number;
  drawing: Drawing;
}

/** The compiled loop of a kind of network. */
export interface Program {
  module: WebAssembly.Module;
  /** Name of its file beside the engine. */
  file: string;
}

/** The properties and methods that `load` and `loadInWorker` both return. */
export interface Portable {
  name: string;
  width: number;
  height: number;
  channels: number;
  values: number;
  /** Colour of each value, `#rrggbb` or `#rrggbbaa`; empty for most models. */
  palette: string[];
  orientations: Orientation[];
  /** Names of the labels; empty for most models. */
  labels: string[];
  /** File name of the compiled loop. */
  module: string;
  /** Draw images of a seed. */
  sample(options: SampleOptions): Promise<Draw[]>;
  /** Fill the pixels of a picture that are not given. */
  complete(options: CompleteOptions): Promise<Completion>;
  /** -ln p of a picture in nats. */
  score(values: ArrayLike<number>, options?: LabelOptions): Promise<number>;
  /** Bits that each pixel costs, by the member (and, without `label`, the label) that finds the picture likeliest. */
  surprise(values: ArrayLike<number>, options?: LabelOptions): Promise<Float64Array>;
  /** Probability of each label, and -ln p of the picture in nats over all labels. */
  classify(values: ArrayLike<number>): Promise<{ p: number[]; nats: number }>;
  /** Draw the images of a PNG of samples again and compare every pixel. */
  verify(png: Uint8Array): Promise<Verdict>;
}
