// What the server answers (see /openapi.json), and what the parts of the page hand each other.

export type Kind = "sample" | "complete" | "upsample" | "score";
export type Status = "queued" | "running" | "succeeded" | "failed" | "canceled";
export type Stage = "small" | "final";

export interface ProblemBody {
  type: string;
  title: string;
  status: number;
  detail: string;
  errors?: { pointer: string; detail: string }[];
}

export interface Model {
  name: string;
  network: string;
  height: number;
  width: number;
  channels: number;
  small_height: number;
  small_width: number;
  values: number;
  parameters: number;
  data: string;
  test_nats: number | null;
  test_bits_per_dim: number | null;
  digest: string;
  can: Kind[];
}

export interface Info {
  version: string;
  needs_key: boolean;
  limits: { n: number; seed: number; temperature_min: number; temperature_max: number; upload_bytes: number };
}

export interface JobResult {
  images: string[];
  ranking?: { sample: number; nats: number; image: string }[] | null;
  nats?: number;
  bits_per_dim?: number;
  per_colour_bits?: number[];
  uniform_bits?: number;
  quantised_pixels?: number;
  pixel?: { x: number; y: number; colours: ColourBelief[] } | null;
}

/** What the model expected of one colour of a pixel, knowing everything before it. */
export interface ColourBelief {
  probabilities: number[];
  entropy_bits: number;
  value: number;
  bits: number;
}

export interface Job {
  id: string;
  kind: Kind;
  status: Status;
  model: string;
  digest: string;
  seed: number;
  n: number;
  temperature: number;
  height: number;
  width: number;
  channels: number;
  small_height: number;
  small_width: number;
  filled_pixels: number | null;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
  progress: number;
  rows_done: number;
  rows_total: number;
  position: number | null;
  eta_s: number | null;
  error: { type: string; title: string; detail: string } | null;
  result: JobResult | null;
}

export interface RowEvent {
  sample: number;
  y: number;
  pixels: string;
  stage?: Stage;
}

/** One server-sent event, taken apart. */
export interface ServerEvent {
  name: string;
  id: string | null;
  data: any;
}

export interface ScoreMap {
  height: number;
  width: number;
  channels: number;
  bits: number[][][];
}

export interface Size {
  width: number;
  height: number;
}

/** What a job began with, kept in this browser so that a reload can show it again: data URLs of PNG files. */
export interface Given {
  image?: string;
  mask?: string;
}

/** A job as this browser remembers it. */
export interface Remembered {
  id: string;
  kind: Kind;
  model: string;
  seed: number;
  n: number;
  temperature: number;
  /** As last seen; gone: the server does not have it any more. */
  status: Status | "gone";
  at: number;
  given: Given;
  thumbnail: string;
}

export interface Settings {
  kind: Kind | "";
  model: string;
  n: number;
  seed: number;
  temperature: number;
}
