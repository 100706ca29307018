// Types that the modules of the page share, and names for the types of the API.
// tests/browser/openapi.d.ts is generated from openapi.json: `npm run types --prefix tests/browser`.

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

/**
 * A model as the server lists it. label: the one that was chosen for all its images.
 * isPortable: whether this browser can fetch it; earlier servers do not say.
 */
export type Model = Schema.Model & { label?: string; isPortable?: boolean };

/** One server-sent event: its name, its id if the server keeps it, and its data. */
export interface ServerEvent {
  name: string;
  id: string | null;
  data: any;
}

/** A size in pixels. */
export interface Size {
  width: number;
  height: number;
}

/** The pictures that a job is given, as data URLs of PNG files: this browser keeps them, so that a reload shows them again. */
export interface JobInput {
  image?: string;
  mask?: string;
}

/** A job in this browser's history. */
export interface HistoryEntry extends Settings {
  id: string;
  kind: Kind;
  /** Newest known status; "gone" if the server no longer has the job. */
  status: Status | "gone";
  /** Time of its start, in milliseconds since 1970. */
  at: number;
  given: JobInput;
  /** Data URL of a small picture. */
  thumbnail: string;
}

/**
 * The content of a link: settings and given pictures, digest of the weights, identity of the
 * model, and SHA-256 of the pixels that are expected; "" if a digest is unknown.
 */
export interface Recipe {
  settings: Settings;
  given: JobInput;
  digest: string;
  identity: string;
  sha256: string;
}

/** The settings that draw images; options that are missing have the server's defaults. */
export interface Settings extends PixelOptions {
  kind: Kind | "";
  model: string;
  n: number;
  seed: number;
  temperature: number;
}

/** The signal and the listeners of a question to the backend. */
export interface AnswerOptions {
  /** Aborts the question; its promise is rejected with the signal's reason. */
  signal: AbortSignal;
  /** Called with the job's state in words. */
  onWait?(words: string, job: Schema.Job): void;
  /** Called with the job before its first row. */
  onJob?(job: Schema.Job, given: JobInput): unknown;
  /** Called with each row. The service then returns no images in the end. */
  onRow?(row: Schema.RowEvent): void;
  /** Called with the expected values of an image while it is drawn. */
  onMean?(mean: ImageData, sample: number): void;
}

/** How many images to draw, from which seed and with which options. */
export interface DrawOptions {
  n: number;
  seed: number;
  temperature?: number;
  label?: string | null;
  method?: "posterior" | "clamp";
  particles?: number;
  sweeps?: number;
}

/** Drawn images. */
export interface DrawResult {
  job: Schema.Job;
  images: ImageData[];
  /** Expected value of each pixel of a completion, else null. */
  mean: ImageData | null;
  /** True if this browser drew them. */
  isHere: boolean;
}

/** A score. `job` is null if this browser computed it, `map` if only the whole picture was scored. */
export interface ScoreAnswer {
  job: Schema.Job | null;
  score: Schema.ScoreResult;
  map: Schema.ScoreMap | null;
}

/** The probability of each label, the likeliest first. */
export type Classification = Pick<Schema.ClassifyResult, "nats" | "quality"> & {
  labels: Pick<Schema.LabelBelief, "label" | "name" | "p">[];
};

/** State and services of the page, which every view receives. */
export interface Shared {
  api: Api;
  backend: Backend;
  history: History;
  /** Models that workers have loaded; null until they are known. */
  models: Signal<Model[] | null>;
  /** The server's versions and limits; null until they are known. */
  info: Signal<Schema.Info | null>;
  /** Whether the server answered the last request for its models. */
  isOnline: Signal<boolean>;
  /** Shows a new job of the view in the address, under another name than the view's if one is passed. If another view is shown by now, only links lead to it. */
  onJob(id: string, name?: string): void;
  /** Takes a file that the person chose. */
  onFile(file: File): unknown;
  /** Opens another view with a picture (data URL), the model to choose there, and the number of its known pixels. */
  onSend(view: string, picture: string, model: string, known?: number): void;
}

/** A view as rooms.js declares it. */
export interface View {
  /** Its name in the address, behind #. */
  place: string;
  /** Other names in the address that lead to it. */
  aliases?: string[];
  /** Text of its tab and its heading. */
  title: string;
  /** Sentence below the title. A view with one gets a new section with a form and a stage; others have theirs in index.html. */
  lead?: string;
  /** Sentence on the stage before anything is drawn. */
  empty?: string;
  /** Returns true if some of these models suit the view. Default: always true. */
  isOffered?(models: Model[]): boolean;
  /** True if the view needs a service, so that an exported page does not show it. */
  needsService?: boolean;
  /** Makes the view for its section, when it is first opened. */
  make(element: HTMLElement, shared: Shared): ViewInstance | Promise<ViewInstance>;
}

/** A view that has been opened. It shows errors itself, as sentences. */
export interface ViewInstance {
  /** Shows the view, with the parts of the address behind its name, and that name. */
  open(place: string, further?: string, name?: string): unknown;
  /** Called when another view is shown: cancels what is requested. */
  leave?(): void;
  /** Uses a file; returns false if the view takes none. */
  take?(file: File): boolean;
  /** Uses a picture of another view (data URL), and chooses its model. */
  give?(picture: string, model: string, name: string, known?: number): unknown;
  /** Draws what a link names. */
  follow?(recipe: Recipe): unknown;
  /** Puts settings into the view's form. */
  restore?(settings: Settings | HistoryEntry | Schema.Job, given: JobInput): unknown;
}
