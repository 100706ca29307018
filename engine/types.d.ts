/** What the modules of the engine hand each other; portable.json is described in model_core/portable/table.py. */

import type { PixelOptions } from "./pixel_options.js";

export type Orientation =
  | "none"
  | "flip_left_right"
  | "flip_top_bottom"
  | "rotate_90"
  | "rotate_180"
  | "rotate_270"
  | "transpose"
  | "transverse";

export type Size = number | [number, number];

export interface Entry {
  name: string;
  value?: number;
  dtype?: "bool" | "float32" | "float64" | "int64" | "uint8" | "uint64";
  shape?: Size[];
  at?: number;
  fill?: "zeros" | "count" | "outside" | "drawer";
  last?: "zero";
  kept?: boolean;
  row?: "cells" | "columns";
}

export interface WeightsFile {
  file: string;
  bytes: number;
  sha256: string;
}

export interface Description {
  format: number;
  name: string;
  sha256: string;
  /** Of all that gives the model its meaning: model_core/card.py. */
  identity: string;
  data: string;
  kind: string;
  sources: string;
  image: Shape;
  /** The colours of categories, `#rrggbb` or `#rrggbbaa`. */
  palette?: string[];
  members: { orientation: Orientation; weights: WeightsFile }[];
  /** None of most models. */
  guides?: GuideDescription[];
  /** Of the model's images, with the share of each; none of most models. */
  labels: { name: string; prior: number }[];
  /** Hardly any image has so many nats; null where that is not known. */
  strange_nats: number | null;
  table: Entry[];
}

export interface Shape extends Size3 {
  values: number;
  /** The values have no order. */
  categories?: boolean;
}

/** A network that proposes draws for holes: a member, by its number, or one of its own. */
export interface GuideDescription extends Partial<Pick<Description, "kind" | "sources" | "table">> {
  orientation: Orientation;
  member?: number;
  weights?: WeightsFile;
}

/** The same, loaded. */
export interface Guide {
  orientation: Orientation;
  member?: number;
  description: Description;
  program: Program;
  weights: Uint8Array;
}

export interface Size3 {
  channels: number;
  height: number;
  width: number;
}

export interface Picture {
  /** Whole numbers below the model's `values`, colour after colour, each row by row. */
  values: Uint8Array;
  width: number;
  height: number;
  channels: number;
}

/** An image that was drawn. */
export interface Draw extends Picture {
  /** -ln of its probability under the distribution that drew it; null if it was not weighed. */
  nats: number | null;
  /** The same in bits, of each colour of each pixel. */
  bitsPerDim: number | null;
}

/** A row that is final: of which image, which row, and its values, colour after colour. */
export type OnRow = (image: number, y: number, values: Uint8Array) => void;

/** A label by its name or number. */
export type Label = string | number;

/** One of all images, or one of each. */
export type Labels = Label | Label[];

export interface LabelOptions {
  label?: Label;
}

/** Further options of a job that change pixels: the service draws larger pictures (`size`), the engine does not. */
export type Ways = Omit<PixelOptions, "first" | "label" | "colours" | "method" | "particles" | "sweeps">;

export interface SampleOptions extends Ways {
  /** 1 when left out, or as many as there are labels in a list. */
  n?: number;
  /** A whole number from 0 to 2^63 - 1; a bigint where it has more than 53 bits. */
  seed: number | bigint;
  temperature?: number;
  /** The number of the first image of the seed. */
  first?: number;
  /** Without one, where the model has labels, the noise chooses by how frequent each is. */
  label?: Labels;
  /** Say how probable each image is. Default: true. */
  weighed?: boolean;
  onRow?: OnRow;
  signal?: AbortSignal;
}

export interface CompleteOptions extends Omit<SampleOptions, "weighed"> {
  /** Values as a picture has them; read where `keep` is 1. */
  known: ArrayLike<number>;
  /** Of each pixel, row by row, whether it is given. */
  keep: ArrayLike<number | boolean>;
  /** "posterior", when left out: from p(hole | all that is given). "clamp": by the first member, in its order. */
  method?: "posterior" | "clamp";
  /** Of each image that takes some: 1 to 256, 32 when left out. */
  particles?: number;
  /** The most rounds of a chain: 0 to 16, 2 when left out. */
  sweeps?: number;
}

export interface Completion {
  images: Picture[];
  exact: boolean;
  member: Orientation;
  receipt: Receipt;
  /** The expected value of each variable, in the order of a picture's values; null of a clamp. */
  mean: Float64Array | null;
  /** How uncertain each is, 0 where it is given; null of a clamp. */
  entropyBits: Float64Array | null;
}

export type Quality = "exact" | "good" | "rough" | "poor";

/** How good completions are: `result.posterior` of the service, told in docs/completion.md. */
export interface Receipt {
  exact: boolean;
  member: Orientation;
  quality: Quality | null;
  /** The word of each image. */
  qualities: Quality[] | null;
  particles: number;
  ess: number | null;
  distinct: number | null;
  evidence_nats: number | null;
  evidence_sd: number | null;
  nats: number[] | null;
  apart_nats: number | null;
  /** The number of the last image's, in a model with labels. */
  label?: number;
}

/** Whether a model draws a picture again, and where not. */
export interface Verdict {
  verified: boolean;
  seed: bigint;
  samples: number;
  /** Each place in its sample; sample is null for a place of the sheet outside its images. */
  changed: { sample: number | null; x: number; y: number }[];
  /** The picture names another identity of the model, whose labels or priors were others. */
  cardChanged: boolean;
}

export interface Drawing extends Omit<Ways, "size"> {
  seed: bigint;
  sample: number;
  temperature: number;
  /** The stage word of its numbers; that of an image's pixels when left out. */
  noise?: bigint;
  known?: Uint8Array;
  keep?: Uint8Array;
  /** Where ln p of pixels is asked for, given or drawn. */
  weighed?: Uint8Array;
  label?: number;
  /** Stands in the place of the noise. */
  coder?: Coder;
}

/** A label that images of a member may have, if the model has labels, and ln of its share of the model. */
export interface Component {
  label?: number;
  logShare: number;
}

/** An image to be drawn: by which member, and its number among those that are asked for. */
export interface Order {
  member: number;
  index: number;
  drawing: Drawing;
}

/** A range coder between two images: compiled/range_coder.py. */
export interface Coder {
  registers: BigUint64Array;
  code: Uint8Array;
}

export interface Program {
  module: WebAssembly.Module;
  /** Of it, beside the engine. */
  file: string;
}

/** What `load` and `loadInWorker` give alike. */
export interface Portable {
  name: string;
  width: number;
  height: number;
  channels: number;
  values: number;
  /** The colour of each value, `#rrggbb` or `#rrggbbaa`; none of most models. */
  palette: string[];
  orientations: Orientation[];
  /** Names; none of most models. */
  labels: string[];
  /** The file of the compiled loop that draws. */
  module: string;
  sample(options: SampleOptions): Promise<Draw[]>;
  complete(options: CompleteOptions): Promise<Completion>;
  score(values: ArrayLike<number>, options?: LabelOptions): Promise<number>;
  /** Bits of each pixel, by the member, and without a label by the label, that find the picture likeliest. */
  surprise(values: ArrayLike<number>, options?: LabelOptions): Promise<Float64Array>;
  /** The probability of each label, and nats of the picture whatever its label. */
  classify(values: ArrayLike<number>): Promise<{ p: number[]; nats: number }>;
  encode(images: ArrayLike<number>[], options?: LabelOptions): Promise<Uint8Array>;
  decode(bytes: Uint8Array): Promise<Picture[]>;
  verify(png: Uint8Array): Promise<Verdict>;
}
