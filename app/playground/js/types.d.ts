// What the server answers, under the names that the page uses, and what the parts of the page hand each other.
// tests/browser/openapi.d.ts is made from openapi.json: `npm run types --prefix tests/browser`.

import type * as Schema from "../../../tests/browser/openapi";
import type { Api } from "./service/api.js";
import type { Backend } from "./service/backend.js";
import type { History } from "./service/history.js";
import type { PixelOptions } from "./service/pixel_options.js";
import type { Signal } from "./signal.js";

export type * from "../../../tests/browser/openapi";
export type Kind = Schema.JobKind;
export type Status = Schema.JobStatus;
export type ProblemBody = Schema.Problem;

/** As the server lists it; label: the one that is asked of it, where one was chosen; isPortable: this browser can fetch it, which earlier servers do not say. */
export type Model = Schema.Model & { label?: string; isPortable?: boolean };

/** One server-sent event, taken apart. */
export interface ServerEvent {
  name: string;
  id: string | null;
  data: any;
}

export interface Size {
  width: number;
  height: number;
}

/** What a job began with, kept in this browser so that a reload can show it again: data URLs of PNG files. */
export interface JobInput {
  image?: string;
  mask?: string;
}

/** A job as this browser remembers it. */
export interface HistoryEntry extends Settings {
  id: string;
  kind: Kind;
  /** As last seen; gone: the server does not have it any more. */
  status: Status | "gone";
  at: number;
  given: JobInput;
  thumbnail: string;
  /** Of a comparison: what stands behind #compare/. */
  place?: string;
}

/** What a link says: how to draw, from what, with which weights and model, and the SHA-256 of what comes out; "" = not known. */
export interface Recipe {
  settings: Settings;
  given: JobInput;
  digest: string;
  identity: string;
  sha256: string;
}

/** How images are drawn; the server's usual options where they are not said. */
export interface Settings extends PixelOptions {
  kind: Kind | "";
  model: string;
  n: number;
  seed: number;
  temperature: number;
}

/** How a question is answered: who gives it up, and who is told on the way. */
export interface AnswerOptions {
  signal: AbortSignal;
  /** Where it stands, in words. */
  onWait?(words: string, job: Schema.Job): void;
  /** What is drawn, before its first row. */
  onJob?(job: Schema.Job, given: JobInput): unknown;
  /** Each row as it comes; whoever hears them gets no images in the end. */
  onRow?(row: Schema.RowEvent): void;
  /** What is expected of an image so far. */
  onMean?(mean: ImageData, sample: number): void;
}

/** How many images, from which seed. */
export interface DrawOptions {
  n: number;
  seed: number;
  temperature?: number;
  label?: string | null;
  method?: "posterior" | "clamp";
  particles?: number;
  sweeps?: number;
}

export interface DrawResult {
  job: Schema.Job;
  images: ImageData[];
  /** What is expected of each pixel of a completion. */
  mean: ImageData | null;
  /** Whether this browser drew it. */
  isHere: boolean;
}

/** `job` is null where this browser answered, `map` where nobody asked for it. */
export interface ScoreAnswer {
  job: Schema.Job | null;
  score: Schema.ScoreResult;
  map: Schema.ScoreMap | null;
}

/** The likeliest first. */
export type Classification = Pick<Schema.ClassifyResult, "nats" | "quality"> & {
  labels: Pick<Schema.LabelBelief, "label" | "name" | "p">[];
};

/** What all views are given. */
export interface Shared {
  api: Api;
  backend: Backend;
  history: History;
  /** What workers hold, once that is known. */
  models: Signal<Model[] | null>;
  /** The server's limits, once they are known. */
  info: Signal<Schema.Info | null>;
  /** Whether the server answered when it was last asked. */
  isOnline: Signal<boolean>;
  /** Called with a new job of the view, and with the name that it has in the address where that is another one. */
  onJob(id: string, name?: string): void;
  /** Called with a file of the person's. */
  onFile(file: File): unknown;
  /** Called with a picture that another view is to have, the model to choose there, and how many of its pixels are known. */
  onSend(view: string, picture: string, model: string, known?: number): void;
}

/** A view, as it is declared in rooms.js. */
export interface View {
  /** Behind # in the address. */
  place: string;
  /** Other names there that lead to it. */
  aliases?: string[];
  /** The view that this is a way of, where several places share one. */
  sectionName?: string;
  /** In the tabs, and at its head. */
  title: string;
  /** The sentence under the title of a form beside a stage, whose section is made; other sections stand in index.html. */
  lead?: string;
  /** What that stage says before there is anything. */
  empty?: string;
  /** Whether these models give it something to do; it always has when this is left out. */
  isOffered?(models: Model[]): boolean;
  /** Whether only a service can answer it: a folder of files has it not. */
  needsService?: boolean;
  make(element: HTMLElement, shared: Shared): ViewInstance | Promise<ViewInstance>;
}

/** What the page asks of a view. */
export interface ViewInstance {
  /** It is seen now: with what stands behind its name in the address, and that name. */
  open(place: string, further?: string, name?: string): unknown;
  /** It is not seen any more. */
  leave?(): void;
  /** A file is dropped; returns whether it is taken. */
  take?(file: File): boolean;
  /** A picture of another view, and the model that it came from. */
  give?(picture: string, model: string, name: string, known?: number): unknown;
  /** What a link says is to be drawn. */
  follow?(recipe: Recipe): unknown;
  /** Settings are put into its form. */
  restore?(settings: Settings | HistoryEntry | Schema.Job, given: JobInput): unknown;
}
