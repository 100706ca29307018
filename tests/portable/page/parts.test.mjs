/** Parts of the page: boards, strips, pickers, the lightbox. */
import assert from "node:assert/strict";

import { alone } from "./alone.mjs";
import { SmallElement, block, decodeAtOnce, frame, job, modelOf, page, settle, shared, stream } from "./given.mjs";

/** An entry that was forgotten stays so when its state arrives. */
alone(import.meta.url, "history forgets what was asked", async () => {
  const { History } = await page("service/history");
  const { HistoryStrip } = await page("parts/history_strip");
  globalThis.confirm = () => true;
  const history = new History();
  history.keep({ id: "old", at: 1, kind: "sample", model: "m", seed: 1, n: 1, status: "running" });
  /** @type {any} */
  let answer;
  const api = { job: () => new Promise((resolve) => (answer = resolve)) };
  const strip = new HistoryStrip({ api, history });
  const looking = strip.look();
  strip.element.children[0].children[1].click();
  answer({ ...job, status: "succeeded" });
  await looking;
  assert.deepEqual(history.all(), []);
});

/** A link's job that was refused or left says nothing about the job that is shown next. */
alone(import.meta.url, "only the job of a link is compared with it", async () => {
  const { sharedWith } = await shared();
  const { JobBoard } = await page("parts/job_board");
  const done = (id) => ({ ...job, id, status: "succeeded", progress: 1, finished_at: job.created_at });
  const events = (id) => stream(block("snapshot", done(id)), block("done", done(id)));
  const api = { send: async (path) => events(path.split("/")[2]) };
  const backend = { help: async () => null, prepare() {} };
  const board = new JobBoard(sharedWith({ api, backend }));
  const recipe = { sha256: "0".repeat(64), digest: "d", identity: "i" };
  const { fingerprint } = await page("service/share");
  const found = [];
  for (const id of ["other", "own"]) {
    board.expect(recipe, null, "own");
    await board.watch(id);
    const isCompared = () => board.element.textContent.includes("not the bytes of the link");
    // The comparison takes one digest; a hundred take longer, however slow the machine is.
    for (let i = 0; i < 100 && !isCompared(); i += 1) await fingerprint([]);
    found.push(isCompared());
  }
  assert.deepEqual(found, [false, true]);
});

/** The browser had begun to draw it because it waited at the service. */
alone(import.meta.url, "canceled job is not drawn on by the browser", async () => {
  const { sharedWith } = await shared();
  const { JobBoard } = await page("parts/job_board");
  const waiting = { ...job, status: "queued", progress: 0 };
  const canceled = { ...waiting, status: "canceled", finished_at: job.created_at };
  const api = { send: async () => stream(block("snapshot", waiting), block("canceled", canceled)) };
  /** @type {any} */
  let drawing;
  const backend = {
    prepare() {},
    help: async (job, given, { signal }) => {
      drawing = signal;
      return null;
    },
  };
  const board = new JobBoard(sharedWith({ api, backend }));
  await board.watch("a");
  assert.deepEqual([drawing.aborted, board.element.textContent.includes("Canceled at 0%")], [true, true]);
});

/** Another kind would clear the paper, and what is painted on it. */
alone(import.meta.url, "kind of picture stays chosen while its model is away", async () => {
  const { models, sharedWith } = await shared();
  decodeAtOnce();
  const { ModelPicker } = await page("parts/model_picker");
  const all = [modelOf({}), modelOf({ name: "e", data: "emoji" })];
  const picker = new ModelPicker("complete", models);
  models.value = all;
  const told = [];
  picker.turnTo("e");
  picker.onChange = ({ name }) => told.push(name);
  models.value = [];
  const away = picker.model;
  models.value = [...all];
  const chosen = [away, picker.model.name];
  assert.deepEqual(
    [chosen, told],
    [
      [null, "e"],
      ["e", "e"],
    ],
  );
});

/** They come as a whole, so there are no rows to show again. */
alone(import.meta.url, "replay keeps larger pictures", async () => {
  const { Tiles } = await page("parts/tiles");
  const tiles = new Tiles();
  await tiles.lay({ ...job, kind: "complete", cutouts: [{}] }, {});
  const [painting] = tiles.paintings;
  painting.canvas.replaceWith = () => {};
  painting.replaceWith(new ImageData(4, 4));
  tiles.replay();
  assert.deepEqual(tiles.paintings[0].whole("final")?.width, 4);
});

/** The replay shows canvases of its own, so all images are saved and linked, and their own canvases come back. */
alone(import.meta.url, "images are whole during a replay", async () => {
  const { sharedWith } = await shared();
  const { JobBoard } = await page("parts/job_board");
  const images = [0, 1],
    rows = images.flatMap((sample) => [0, 1].map((y) => ({ sample, y })));
  const sample = async (model, wish, { onJob, onRow }) => {
    const drawn = { ...job, id: "", n: 2, status: "succeeded" };
    await onJob(drawn, {});
    for (const place of rows) onRow({ ...place, stage: "final", pixels: "AAA=" });
    return { job: drawn, mean: null };
  };
  const api = { hasService: false };
  const board = new JobBoard(sharedWith({ api, backend: { browser: { sample } } }));
  await board.drawHere("sample", { name: "m" }, {}, true);
  const {
    children: [head],
  } = board.element;
  const [replay, all, , link] = head.children.at(-1).children;
  const swaps = [];
  SmallElement.prototype.replaceWith = function (other) {
    swaps.push([this, other]);
  };
  let copied = "",
    saved = [];
  navigator.clipboard = { writeText: async (text) => (copied = text) };
  SmallElement.prototype.toBlob = function (/** @type {any} */ receive) {
    saved = [this.width, this.height];
    receive(new Blob(["picture"]));
  };
  replay.click();
  frame(60);
  all.click();
  link.click();
  for (let i = 0; i < 20; i += 1) await settle();
  // The digest in the link comes from another thread.
  for (let i = 0; i < 1000 && !copied; i += 1) await new Promise((resolve) => setTimeout(resolve, 10));
  frame(1000);
  const areBack = images.map((i) => swaps[i][0] === swaps[i + 2]?.[1] && swaps[i][1] === swaps[i + 2]?.[0]);
  const linked = new URLSearchParams(copied.split("?")[1]).get("sha256").length;
  assert.deepEqual([linked, saved, areBack], [64, [5, 2], [true, true]]);
});

/** Its board goes on showing it. */
alone(import.meta.url, "job that was forgotten while it was drawn stays so", async () => {
  const { sharedWith } = await shared();
  const { JobBoard } = await page("parts/job_board");
  const done = { ...job, status: "succeeded", progress: 1, finished_at: job.created_at };
  /** @type {any} */
  let end;
  const events = new ReadableStream({
    start(stream) {
      const send = (...event) => stream.enqueue(new TextEncoder().encode(block(...event)));
      send("snapshot", job);
      end = () => send("done", done);
    },
  });
  const given = sharedWith({
    api: { send: async () => new Response(events) },
    backend: { help: async () => null, prepare() {} },
  });
  const board = new JobBoard(given);
  const watching = board.watch("a");
  await settle();
  const before = given.history.all().length;
  given.history.replace([]);
  end();
  await watching;
  const after = given.history.all().length;
  assert.deepEqual([before, after], [1, 0]);
});

/** The button would stay dead until the next evaluation. */
alone(import.meta.url, "training can be finished after a request that failed", async () => {
  const { sharedWith } = await shared();
  const { TrainingBoard } = await page("parts/training_board");
  const progress = {
    progress: 0.5,
    minutes_left: 1,
    told: "",
    bits_per_dim: 0.5,
    share: 0.5,
    uniform_bits: 1,
    png_bits: 1,
  };
  const training = { ...job, kind: "train" };
  /** @type {any} */
  let refuse;
  const send = (path) =>
    path.endsWith("/events")
      ? new Response(
          new ReadableStream({
            start: (stream) =>
              stream.enqueue(new TextEncoder().encode(block("snapshot", training) + block("progress", progress))),
          }),
        )
      : new Promise((_, no) => (refuse = no));
  const board = new TrainingBoard(sharedWith({ api: { send } }));
  const [
    {
      children: [
        ,
        {
          children: [finish],
        },
      ],
    },
  ] = board.element.children;
  board.watch("a");
  await settle();
  finish.click();
  const dead = finish.disabled;
  const { Unreachable } = await page("service/problems");
  refuse(new Unreachable());
  await settle();
  const ready = finish.disabled;
  assert.deepEqual([dead, ready], [true, false]);
});

/** The one before may take longer to decode. */
alone(import.meta.url, "last given picture is the one that stays", async () => {
  decodeAtOnce();
  const { PicturePicker } = await page("parts/picture_picker");
  const picker = new PicturePicker("", (model) => model);
  const slow = {};
  globalThis.Image = class {
    height = 2;
    width = 2;
    decode() {
      return /** @type {any} */ (this).src === "slow" && new Promise((done) => (slow.done = done));
    }
  };
  const offered = [];
  globalThis.createImageBitmap = async ({ src }) => ({ width: 2, height: 2, src });
  picker.offerWhole({ offer: ({ bitmap }) => offered.push(bitmap.src) });
  picker.suit(modelOf({}));
  await settle();
  picker.give("slow");
  await settle();
  await picker.give("fast");
  slow.done();
  await settle();
  assert.deepEqual(offered.at(-1), "fast");
});

/** Polls say every few seconds that the server is there; it goes when a server that was away is back. */
alone(import.meta.url, "sentence about one request stays while the server answers others", async () => {
  const { sharedWith } = await shared();
  const { clearTroubleOnChange, showTrouble } = await page("parts/fields");
  const { Unreachable } = await page("service/problems");
  const { isOnline } = sharedWith({});
  const form = document.createElement("form");
  const line = form.querySelector("[data-field=form]").querySelector(".trouble");
  form.querySelectorAll = (selector) => (selector === ".trouble[data-unreachable]" ? [line] : []);
  clearTroubleOnChange(form, isOnline);
  showTrouble(form, new Unreachable());
  assert.deepEqual(
    [true, false, true].map((answers) => {
      isOnline.value = answers;
      return line.hidden;
    }),
    [false, false, true],
  );
});

/** They choose a size there. */
alone(import.meta.url, "arrows in the list of sizes show no other image", async () => {
  const { Lightbox } = await page("parts/lightbox");
  const { Painting } = await page("pixels/painting");
  SmallElement.prototype.showModal = () => {};
  SmallElement.prototype.querySelectorAll = (selector) =>
    selector === "dl" ? [new SmallElement(), new SmallElement()] : [];
  const paintings = [new Painting(job, null), new Painting(job, null)];
  const shared = { api: {}, backend: { browser: { canDraw: () => false } }, models: { value: [] } };
  new Lightbox(shared, { ...job, n: 2 }, paintings, {}).open(0);
  const dialog = document.body.children.at(-1);
  const title = () => dialog.querySelector("h2").textContent;
  const titles = [title()];
  for (const target of [dialog.querySelector("select"), dialog]) {
    dialog.fire("keydown", { key: "ArrowRight", target });
    titles.push(title());
  }
  assert.deepEqual(titles, ["Image 1 of 2", "Image 1 of 2", "Image 2 of 2"]);
});

/** It is what the image cost the model that drew it. */
alone(import.meta.url, "surprise by other weights of the same name is not shown", async () => {
  decodeAtOnce();
  const { Lightbox } = await page("parts/lightbox");
  const { Painting } = await page("pixels/painting");
  SmallElement.prototype.showModal = () => {};
  const lists = [new SmallElement(), new SmallElement()];
  SmallElement.prototype.querySelectorAll = (selector) => (selector === "dl" ? lists : []);
  const shown = [];
  for (const digest of ["d", "e"]) {
    const painting = new Painting(job, null);
    for (const y of [0, 1]) painting.put({ stage: "final", y, pixels: "AAA=" });
    const score = async () => ({ score: { nats: 4 * Math.LN2, bits_per_dim: 1 } });
    const backend = { browser: { canDraw: () => false }, score };
    const shared = { api: {}, backend, models: { value: [modelOf({ digest, identity: null })] } };
    new Lightbox(shared, job, [painting], {}).open(0);
    await settle();
    shown.push(lists[0].textContent.split("Surprise")[1]);
  }
  assert.deepEqual(shown, ["4.0 bits", "not known yet"]);
});

/** The endings stay if there is nothing to undo, and the ink below an open dialog does. */
alone(import.meta.url, "undo by keyboard changes only what can be undone", async () => {
  decodeAtOnce();
  SmallElement.prototype.checkVisibility = () => true;
  globalThis.HTMLInputElement = class {};
  const { querySelector } = document;
  let dialog = null;
  document.querySelector = (selector) => (selector === "dialog:modal" ? dialog : querySelector(selector));
  const heard = {};
  globalThis.addEventListener = (name, act) => (heard[name] = act);
  const { Pad } = await page("parts/pad");
  const pad = new Pad();
  pad.open(modelOf({}));
  const press = (key) => {
    let changes = 0;
    pad.onInk = pad.onRest = () => (changes += 1);
    heard.keydown({ key, ctrlKey: true, target: document.body, preventDefault() {} });
    return [changes, pad.ink.hole[0]];
  };
  const nothing = [...press("z"), ...press("y")];
  pad.fill(() => 3);
  dialog = document.createElement("dialog");
  const below = press("z");
  dialog = null;
  const undone = press("z");
  const redone = press("y");
  const again = press("y");
  assert.deepEqual(nothing, [0, 1, 0, 1]);
  assert.deepEqual(below, [0, 3]);
  assert.deepEqual(
    [undone, redone, again],
    [
      [2, 1],
      [2, 3],
      [0, 3],
    ],
  );
});
