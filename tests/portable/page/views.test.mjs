/** Views of the page. */
import assert from "node:assert/strict";

import { alone } from "./alone.mjs";
import { bet, decodeAtOnce, frames, job, modelOf, page, settle, shared, wholePage } from "./given.mjs";

/** The pictures stand at its end. */
alone(import.meta.url, "link whose picture is cut off is explained", async () => {
  const { sharedWith } = await shared();
  const { DrawingView } = await page("views/drawing_view");
  const pictures = {
    give: async () => {
      throw new DOMException("no picture", "EncodingError");
    },
  };
  const chooser = { choose: () => true, model: null };
  const parts = { models: chooser, pictures, fields: { set() {} } };
  const element = document.createElement("section");
  const view = new DrawingView(element, sharedWith({ api: {}, backend: {} }), parts, async () => null);
  const settings = { kind: "complete", model: "m", seed: 1, temperature: 1, n: 1 };
  await view.follow({ settings, given: { image: "data:image/png;base64,AA" }, digest: "", identity: "", sha256: "" });
  const form = element.querySelector("form");
  const words = form.querySelector("[data-field=form]").querySelector(".trouble").textContent;
  assert.ok(words.startsWith("This link does not say what is to be drawn"), words);
});

/** Otherwise another pixel than that of the bet would glow. */
alone(import.meta.url, "bet draws on when its view is shown again", async () => {
  const { view } = await bet();
  await settle();
  const began = frames.length;
  view.leave();
  const left = frames.length;
  view.open("");
  assert.deepEqual([began, left, frames.length], [1, 0, 1]);
});

/** If that is a number of bets; else it has as many as the picture has pixels, or twenty. */
alone(import.meta.url, "game has as many bets as its link says", async () => {
  const { view, said } = await bet();
  await settle();
  for (const [of, count] of [
    ["4", 4],
    ["-1", 4],
    ["0.5", 4],
    ["2", 2],
  ]) {
    view.open(`model=m&seed=1&of=${of}&away=3.2`);
    await settle();
    assert.equal(said(".standing"), `A friend was 3.2 points away at these ${count} pixels. Go.`, of);
  }
});

/** Another model draws other pixels if that of the link is not here. */
alone(import.meta.url, "friend guessed only at pixels of the same model", async () => {
  const { view, said } = await bet();
  await settle();
  for (const [name, isNamed] of [
    ["m", true],
    ["gone", false],
  ]) {
    view.open(`model=${name}&seed=1&of=4&away=3.2`);
    await settle();
    assert.equal(said(".standing").includes("A friend was 3.2 points"), isNamed, name);
  }
});

/** Real or not: the address named twelve others, and the reader left before they came. */
alone(import.meta.url, "others that nobody waited for are drawn when the reader is back", async () => {
  const { models, sharedWith } = await shared();
  const { RealView } = await page("views/real_view");
  decodeAtOnce();
  models.value = [modelOf({ data: "unifont" })];
  let isSlow = false;
  const backend = {
    isReady: () => true,
    sample: () => (isSlow ? new Promise(() => {}) : Promise.resolve({ images: [new ImageData(2, 2)] })),
    scoreMap: async () => ({ score: { nats: 4 }, map: null }),
  };
  const element = document.createElement("section");
  const view = new RealView(element, sharedWith({ backend }));
  const standing = () => element.querySelector(".standing").textContent;
  await settle();
  element.querySelector("form").requestSubmit();
  await settle();
  assert.ok(standing().startsWith("You found"));
  isSlow = true;
  view.open("seed=2");
  assert.equal(standing(), "The network draws…");
  view.leave();
  isSlow = false;
  view.open("seed=2");
  await settle();
  assert.equal(standing().trim(), "0 of 6 ticked.");
});

/** A picture that this browser scores has no address; the address still names the score before. */
alone(import.meta.url, "score of the address is shown again after one of this browser", async () => {
  const { models, sharedWith } = await shared();
  const { InspectView } = await page("views/inspect_view");
  decodeAtOnce();
  models.value = [modelOf({ can: ["score"], test_bits_per_dim: null })];
  const map = {
    width: 2,
    height: 2,
    channels: 1,
    bits: [
      [[1], [1]],
      [[1], [1]],
    ],
  };
  const score = { type: "score", nats: 4, bits_per_dim: 1, uniform_bits: 1, per_colour_bits: [], p_value: null };
  const asked = [];
  const api = {
    job: async (id) => {
      asked.push(id);
      return { ...job, id, kind: "score", status: "succeeded", result: score };
    },
    scoreMap: async () => map,
    given: async () => new Blob(["x"]),
  };
  const backend = { can: () => true, isReady: () => true, scoreMap: async () => ({ job: null, score, map }) };
  backend.pixel = async () => null;
  const element = document.createElement("section");
  const view = new InspectView(element, sharedWith({ api, backend }));
  view.open("a");
  for (let i = 0; i < 20; i += 1) await settle();
  element.querySelector("form").requestSubmit();
  for (let i = 0; i < 20; i += 1) await settle();
  view.open("a");
  assert.deepEqual(asked, ["a", "a"]);
});

/** It does not pull the reader back; the links to its view lead to it. */
alone(import.meta.url, "job that begins after its view was left is shown on return", async () => {
  const { addresses, given, go, opened, tabs } = await wholePage({ bet: {}, inspect: {} });
  await go("#inspect");
  await go("#bet");
  given.inspect.onJob("a");
  await settle();
  const stayed = location.hash;
  const links = tabs.map((tab) => tab.getAttribute("href")).filter((href) => href?.includes("inspect"));
  await go(links[0] ?? "#inspect");
  given.inspect.onJob("b");
  await settle();
  assert.deepEqual([stayed, links], ["#bet", ["#inspect/a"]]);
  assert.deepEqual(addresses, ["#inspect/b"]);
  assert.deepEqual(opened, ["bet/", "inspect/", "bet/", "inspect/a", "inspect/b"]);
});

/** Nothing can be read from either. */
alone(import.meta.url, "dropped folder or moved file is answered", async () => {
  const { drop, notice } = await wholePage({ bet: {} });
  const read = async () => {
    throw new DOMException("gone", "NotFoundError");
  };
  const file = { name: "mine", slice: () => ({ arrayBuffer: read }) };
  await drop([{ webkitGetAsEntry: () => ({ isDirectory: true }) }], []);
  const folder = notice();
  await drop([{ webkitGetAsEntry: () => ({ isDirectory: false }) }], [file]);
  const moved = notice();
  assert.deepEqual(folder, "Drop a single picture: only Teach takes a folder.");
  assert.deepEqual(moved, "“mine” cannot be read: it was moved, or it is damaged.");
});

/** A later version drew it, or it is one that was scored, or no text says how it was drawn. */
alone(import.meta.url, "picture that the page cannot repeat is only looked at", async () => {
  const taken = [];
  const take = (file) => taken.push(file.name);
  const { drop, notice } = await wholePage({ bet: {}, complete: { take } });
  const chunk = (kind, text) => {
    const content = Buffer.from(text, "latin1");
    const length = Buffer.alloc(4);
    length.writeUInt32BE(content.length);
    return Buffer.concat([length, Buffer.from(kind), content, Buffer.alloc(4)]);
  };
  const signature = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]);
  const told = { kind: "sample", model: "m", seed: "7", temperature: "1" };
  const refused = "“a.png” was drawn in a way that this page cannot repeat";
  for (const [texts, sentence] of [
    [{ ...told, version: "99" }, refused],
    [{ ...told, kind: "score", version: "1" }, refused],
    [{}, "“a.png” does not say how it was drawn"],
  ]) {
    location.hash = "#bet";
    const parts = Object.entries(texts).map(([name, value]) => chunk("tEXt", `${name}\0${value}`));
    const file = new File([Buffer.concat([signature, ...parts])], "a.png");
    await drop([{ webkitGetAsEntry: () => ({ isDirectory: false }) }], [file]);
    assert.deepEqual([location.hash, taken.splice(0)], ["complete", ["a.png"]]);
    assert.ok(notice().startsWith(sentence), notice());
  }
});

/** The page may have been opened before midnight. */
alone(import.meta.url, "today's pixels are those of the day of the press", async () => {
  const { element } = await bet();
  const link = element.querySelector("[data-act=today]");
  const before = link.href;
  const Today = class extends Date {
    constructor() {
      super(2031, 4, 17, 12);
    }
  };
  globalThis.Date = /** @type {any} */ (Today);
  link.click();
  const after = link.href;
  assert.notEqual(before, after);
  assert.equal(after, "#bet/seed=20310517&of=10");
});

/** The reader paints on while the job is drawn: its expected values are for other given pixels. */
alone(import.meta.url, "fog of a job is not shown over other ink", async () => {
  const { models, sharedWith } = await shared();
  decodeAtOnce();
  const { CompleteView } = await page("views/complete_view");
  const { JobBoard } = await page("parts/job_board");
  const { Pad } = await page("parts/pad");
  const { showMean, edit } = Pad.prototype;
  /** @type {any} */
  let pad, board;
  Pad.prototype.edit = function (...picture) {
    pad = this;
    return edit.apply(this, picture);
  };
  const shown = [];
  Pad.prototype.showMean = function (mean, ...more) {
    if (mean) shown.push(mean);
    return showMean.call(this, mean, ...more);
  };
  JobBoard.prototype.watch = function () {
    board = this;
  };
  const mean = new ImageData(2, 2);
  const expected = () => {
    board.onExpect(mean, job);
    return shown.splice(0).length;
  };
  const given = { image: "data:image/png;base64,AA", mask: "data:image/png;base64,AA" };
  const backend = {
    begin: async () => ({ ...job, kind: "complete" }),
    browser: { can: () => false },
    isReady: () => false,
  };
  const common = sharedWith({ api: { hasService: true }, backend });
  models.value = [modelOf({})];
  const element = document.createElement("section");
  const view = new CompleteView(element, common);
  view.open("");
  await settle();
  pad.fill(() => 1);
  element.querySelector("form").requestSubmit();
  await settle();
  view.open("a");
  await settle();
  const begun = expected();
  pad.fill(() => 1);
  const painted = expected();
  await view.restore({ ...job, kind: "complete" }, given);
  const restored = expected();
  assert.deepEqual([begun, painted, restored], [1, 0, 1]);
});

/** A browser reports a choice only if the value of the field changes. */
alone(import.meta.url, "same file can be chosen again after others", async () => {
  const { sharedWith } = await shared();
  const { TeachView } = await page("views/teach_view");
  const element = document.createElement("section");
  new TeachView(element, sharedWith({ api: {} }));
  const inputs = element.querySelector("form").querySelectorAll("input");
  const files = inputs.filter(({ type }) => type === "file");
  for (const input of files) Object.assign(input, { files: [new File([""], "a.png")], value: "a.png" }).click();
  assert.deepEqual(
    files.map(({ value }) => value),
    ["", ""],
  );
});

/** An empty folder, or one that the browser may not read. */
alone(import.meta.url, "drop of nothing readable is answered", async () => {
  const { sharedWith } = await shared();
  const { TeachView } = await page("views/teach_view");
  const element = document.createElement("section");
  const heard = {};
  element.addEventListener = (name, act) => (heard[name] = act);
  new TeachView(element, sharedWith({ api: {} }));
  const entry = { isDirectory: true, createReader: () => ({ readEntries: (found) => found([]) }) };
  const event = { preventDefault() {}, stopPropagation() {} };
  heard.drop({ ...event, dataTransfer: { items: [{ webkitGetAsEntry: () => entry }], files: [] } });
  await settle();
  const form = element.querySelector("form");
  assert.deepEqual(
    form.querySelector('[data-field="image"]').querySelector(".trouble").textContent,
    "Nothing in it can be read. Choose pictures.",
  );
});

/** A better model may have been loaded since. */
alone(import.meta.url, "drawn characters are scored by the network that drew them", async () => {
  const { models, sharedWith } = await shared();
  decodeAtOnce();
  const { RealView } = await page("views/real_view");
  const first = modelOf({ name: "first", data: "unifont" });
  const better = { ...first, name: "better", test_bits_per_dim: 0.1 };
  models.value = [first];
  const askers = new Set();
  const backend = {
    isReady: () => true,
    sample: async () => ({ images: [new ImageData(2, 2)] }),
    scoreMap: async ({ name }) => {
      askers.add(name);
      return { score: { nats: 4 }, map: null };
    },
  };
  const element = document.createElement("section");
  new RealView(element, sharedWith({ backend }));
  await settle();
  models.value = [first, better];
  element.querySelector("form").requestSubmit();
  await settle();
  assert.deepEqual([...askers], ["first"]);
});

/** The reader goes on to another job while the picture of the first is decoded; the first is not drawn either. */
alone(import.meta.url, "hole is laid only over the picture of its job", async () => {
  const { sharedWith } = await shared();
  decodeAtOnce();
  const { DrawingView } = await page("views/drawing_view");
  const { PicturePicker } = await page("parts/picture_picker");
  const decoding = {};
  globalThis.Image = class {
    height = 2;
    width = 2;
    decode() {
      return new Promise((done) => (decoding[/** @type {any} */ (this).src] = done));
    }
  };
  const pictures = new PicturePicker("", (model) => model);
  const parts = { models: { choose: () => true, model: null }, pictures, fields: { set() {} } };
  const common = sharedWith({ api: {}, backend: {} });
  const view = new DrawingView(document.createElement("section"), common, parts, async () => null);
  const laid = [];
  view.onRefill = ({ mask }) => laid.push(mask);
  const settings = { kind: "complete", model: "m", seed: 1, temperature: 1, n: 1 };
  const restoring = ["one", "other"].map((name) => view.restore(settings, { image: name, mask: name }));
  await settle();
  decoding.other();
  await settle();
  decoding.one();
  const restored = await Promise.all(restoring);
  assert.deepEqual([laid, restored], [["other"], [false, true]]);
});

/** Watch shows a picture already, so it asks for nothing by itself. */
alone(import.meta.url, "message that the server is away goes when it is back", async () => {
  const { models, sharedWith } = await shared();
  decodeAtOnce();
  const { DrawView } = await page("views/draw_view");
  const { Unreachable } = await page("service/problems");
  models.value = [modelOf({})];
  let isAway = false;
  const images = (n = 1) => Array.from({ length: n }, () => new ImageData(2, 2));
  const sample = async (model, { n }) => {
    if (isAway) throw new Unreachable();
    return { job: { ...job, id: "" }, images: images(n), isHere: true };
  };
  const map = {
    bits: [
      [[1], [1]],
      [[1], [1]],
    ],
  };
  const backend = { isReady: () => true, sample, scoreMap: async () => ({ score: { nats: 4 }, map }) };
  const element = document.createElement("section");
  element.querySelector(".sums").append(element.querySelector("[data-rarity]"));
  const common = sharedWith({ backend });
  new DrawView(element, common);
  await settle();
  const line = element.querySelector(".explained > .trouble");
  isAway = true;
  element.querySelector("[data-act=another]").click();
  await settle();
  const away = line.hidden;
  common.isOnline.value = true;
  const back = line.hidden;
  assert.deepEqual([away, back], [false, true]);
});

/** A screen reader would wait for it, and others see it faded. */
alone(import.meta.url, "place of a failed answer is not busy", async () => {
  const { models, sharedWith } = await shared();
  decodeAtOnce();
  const { LabelBars } = await page("parts/label_bars");
  const { InspectView } = await page("views/inspect_view");
  const { Unreachable } = await page("service/problems");
  const away = async () => {
    throw new Unreachable();
  };
  const score = { nats: 4, bits_per_dim: 1, uniform_bits: 1, per_colour_bits: [], quantised_pixels: 0 };
  const map = {
    width: 2,
    height: 2,
    channels: 1,
    bits: [
      [[1], [1]],
      [[1], [1]],
    ],
  };
  const backend = {
    classify: away,
    pixel: away,
    can: () => true,
    isReady: () => true,
    scoreMap: async () => ({ job, score, map }),
  };
  const model = modelOf({ can: ["score", "classify"], labels: [{ name: "one" }], values: 4 });
  const scored = { picture: new ImageData(2, 2), cover: { count: 0 }, element: document.createElement("div") };
  const common = sharedWith({ backend, api: {} });
  const bars = new LabelBars(common, scored);
  bars.show(model);
  const isBusy = () => bars.element.children[1].hasAttribute("aria-busy");
  const asking = isBusy();
  const element = document.createElement("section");
  models.value = [model];
  new InspectView(element, common);
  await settle();
  await settle();
  const places = [element.querySelector(".stage")];
  for (const { children = [] } of places) places.push(...children.filter((child) => child.children));
  const found = places.filter((place) => place.getAttribute("aria-label") === "Expected values");
  const labels = isBusy();
  const beliefs = found.map((place) => place.hasAttribute("aria-busy"));
  assert.deepEqual([asking, labels, beliefs], [true, false, [false]]);
});

/** Their number has two bytes in it. */
alone(import.meta.url, "more files than an archive holds are refused", async () => {
  const { packFiles } = await page("views/teach_view");
  const files = Array.from({ length: 65536 }, (_, i) => [`${i}.png`, { size: 1 }]);
  const words = await packFiles(files).then(
    () => "packed",
    ({ message }) => message,
  );
  assert.ok(words.startsWith("At most 65,535 files are taken"), words);
});

/** A screen reader does not say that a button's text has changed. */
alone(import.meta.url, "copy is announced", async () => {
  const { element } = await bet();
  navigator.clipboard = { writeText: async () => {} };
  await settle();
  element.querySelector("[data-act=result]").click();
  await settle();
  assert.equal(document.querySelector("#announcer").textContent, "Copied.");
});
