"""Modules of the page in Node, without a browser: what they do if the reader leaves at an awkward moment."""

import json
import shutil
import struct
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "app" / "playground" / "js"

RunPage = Callable[[str], Any]

HEAD = """
const page = (name) => import(`${PAGE}/${name}.js`);
const {settle, frame, frames} = await import(DOCUMENT);
const ask = async () => {
"""
TAIL = """
};
console.log(JSON.stringify((await ask()) ?? null));
process.exit(0);
"""

JOB = """
const job = {
  id: "a", kind: "sample", model: "m", seed: 1, n: 1, temperature: 1, width: 2, height: 2, channels: 1, values: 2,
  status: "running", progress: 0.5, created_at: "2026-01-01T00:00:00Z", finished_at: null, result: null,
  small_width: 0, small_height: 0, eta_s: null, digest: "d", identity: "i", rows_done: 0, label: null,
};
const block = (name, data) => `event: ${name}\\nid: 1-0\\ndata: ${JSON.stringify(data)}\\n\\n`;
const stream = (...blocks) => new Response(blocks.join(""));
"""


PNG_SIGNATURE = bytes([137, 80, 78, 71, 13, 10, 26, 10])


def _chunk(kind: bytes, content: bytes) -> bytes:
    """Return a chunk of a PNG file."""
    checksum = zlib.crc32(kind + content)
    return (
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)
    )


@pytest.fixture(scope="module")
def run_page() -> RunPage:
    """run_page(script): return what a function body of JavaScript returns. It sees `page(name)`, which imports a
    module of the page, and `settle` and `frame` of small_document.mjs."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")

    def run(script: str) -> Any:
        document = (HERE / "small_document.mjs").as_uri()
        names = f"const PAGE = {json.dumps(PAGE.as_uri())}, DOCUMENT = {json.dumps(document)};"
        done = subprocess.run(
            [node, "--input-type=module"],
            input=names + HEAD + JOB + script + TAIL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_stream_ends_within_a_piece_when_its_reader_leaves(run_page: RunPage) -> None:
    """Events of one job that came in one piece are not shown as events of the next job."""
    assert run_page(
        """
        const {follow} = await page("service/events");
        const api = {send: async () => stream(block("snapshot", job), block("row", {y: 0}), block("done", job))};
        const leaving = new AbortController();
        const found = [];
        for await (const {name} of follow(api, "a", leaving.signal, () => {})) {
          found.push(name);
          leaving.abort();
        }
        return found;
        """
    ) == ["snapshot"]


def test_state_of_a_job_that_is_gone_is_not_requested_for_ever(
    run_page: RunPage,
) -> None:
    """The stream was refused, so nothing will come of it."""
    asked, problem = run_page(
        """
        // Timers run in their order, however busy the machine is.
        const timers = [];
        let now = 0;
        globalThis.setTimeout = (act, ms) => timers.push({act, at: now + ms});
        const {FollowedJob} = await page("service/followed_job");
        const {Problem} = await page("service/problems");
        let [asked, opened] = [0, 0];
        const gone = () => new Problem({type: "urn:expired-job", title: "", status: 410, detail: "gone"});
        const api = {
          job: async () => { asked += 1; throw gone(); },
          send: async () => { if (opened++) throw gone(); return stream(block("snapshot", job)); },
        };
        let problem = "";
        const follow = async () => {
          const followed = new FollowedJob(api, "a");
          for await (const event of followed.events(new AbortController().signal));
        };
        follow().catch(({slug}) => (problem = slug));
        for (let i = 0; i < 50; i += 1) {
          await settle();
          const [next] = timers.sort((a, b) => a.at - b.at).splice(0, 1);
          now = next?.at ?? now;
          next?.act();
        }
        return [asked, problem];
        """
    )
    assert (asked, problem) == (0, "expired-job")


def test_completion_that_nobody_waits_for_is_not_returned(run_page: RunPage) -> None:
    """The reader drew on while the mean of the finished completions was fetched."""
    assert (
        run_page(
            """
            const {ServiceBackend} = await page("service/service_backend");
            const leaving = new AbortController();
            const result = {type: "images", posterior: {quality: "good"}};
            const done = {...job, status: "succeeded", finished_at: job.created_at, result};
            const api = {
              submit: async () => job,
              job: async () => job,
              send: async () => stream(block("snapshot", job), block("done", done)),
              marginals: async () => { leaving.abort(); throw new Error("none"); },
              cancelOnAbort() {}, forget() {},
            };
            const how = {signal: leaving.signal, onRow() {}};
            return new ServiceBackend(api).sample({name: "m"}, {n: 1}, how).then(() => "answered", ({name}) => name);
            """
        )
        == "AbortError"
    )


BACKEND = """
const {BrowserBackend, setLoader} = await page("service/browser_backend");
const api = {portable: async () => ({digest: "d", identity: "i", engine: "e", model: "m"})};
const backend = new BrowserBackend({api, info: {}, models: {}});
"""
"""What draws in the browser. A test sets the loader of its engine before it draws."""


def test_model_that_comes_too_late_begins_no_drawing(run_page: RunPage) -> None:
    """The reader drew on while the model was fetched: tiles of the drawing before are not laid."""
    assert (
        run_page(
            BACKEND
            + """
        const leaving = new AbortController();
        setLoader(async () => { leaving.abort(); return {complete: async () => ({}), sample: async () => []}; });
        const laid = [];
        const how = {signal: leaving.signal, onJob: ({kind}) => laid.push(kind)};
        const model = {name: "m", digest: "d", identity: "i", width: 2, height: 2, channels: 1, values: 2};
        const wish = {n: 1, seed: 1, picture: new ImageData(2, 2), hole: new Uint8Array(4)};
        await backend.sample(model, wish, how).catch(() => {});
        await backend.complete(model, wish, how).catch(() => {});
        return laid;
        """
        )
        == []
    )


def test_link_to_a_larger_picture_leads_to_its_job(run_page: RunPage) -> None:
    """Its pictures are addresses within the page, which nobody else can open."""
    link, small = run_page(
        """
        const {linkTo} = await page("service/share");
        const whole = {...job, kind: "complete", cutouts: [{}]};
        const given = {image: "blob:http://here/1", mask: "blob:http://here/2"};
        const url = "data:image/png;base64,AAAA";
        return [await linkTo(whole, [], given), await linkTo({...job, kind: "complete"}, [], {image: url, mask: url})];
        """
    )
    assert link == "complete/a"
    assert small.startswith("complete?")
    assert "image=AAAA&mask=AAAA" in small


def test_code_of_a_form_keeps_no_files_in_memory(run_page: RunPage) -> None:
    """A blob URL is made when a job is given the pictures, and once."""
    assert run_page(
        """
        const {cropOf} = await page("service/requests");
        let made = 0;
        URL.createObjectURL = () => `blob:${made += 1}`;
        const file = new Blob(["x"]);
        const request = cropOf({name: "m", palette: null}, file, file, {n: 1});
        const before = made;
        return [before, request.given, request.given];
        """
    ) == [0, *[{"image": "blob:1", "mask": "blob:2"}] * 2]


def test_history_forgets_and_brings_back_only_what_was_asked(run_page: RunPage) -> None:
    """An entry that was forgotten stays so when its state arrives, and what was drawn since is not lost by undo."""
    forgotten, back = run_page(
        """
        const {History} = await page("service/history");
        const {HistoryStrip} = await page("parts/history_strip");
        const history = new History();
        const entry = (id, at) => ({id, at, kind: "sample", model: "m", seed: 1, n: 1, status: "running"});
        history.keep(entry("old", 1));
        let answer;
        const api = {job: () => new Promise((resolve) => (answer = resolve))};
        const strip = new HistoryStrip({api, history});
        const [, {children: [undo, clear]}] = strip.element.children[0].children;
        const looking = strip.look();
        clear.click();
        answer({...job, status: "succeeded"});
        await looking;
        const forgotten = history.all().map(({id}) => id);
        history.keep(entry("new", 2));
        undo.click();
        return [forgotten, history.all().map(({id}) => id)];
        """
    )
    assert forgotten == []
    assert back == ["new", "old"]


SHARED = """
const {Signal} = await page("signal");
const {History} = await page("service/history");
const models = new Signal([]);
const sharedWith = (more) => ({
  history: new History(), models, info: new Signal(null), isOnline: new Signal(true), onJob() {}, ...more,
});
"""


def test_only_the_job_of_a_link_is_compared_with_it(run_page: RunPage) -> None:
    """A link's job that was refused or left says nothing about the job that is shown next."""
    other, own = run_page(
        SHARED
        + """
        const {JobBoard} = await page("parts/job_board");
        const done = (id) => ({...job, id, status: "succeeded", progress: 1, finished_at: job.created_at});
        const events = (id) => stream(block("snapshot", done(id)), block("done", done(id)));
        const api = {send: async (path) => events(path.split("/")[2])};
        const backend = {help: async () => null, prepare() {}};
        const board = new JobBoard(sharedWith({api, backend}));
        const recipe = {sha256: "0".repeat(64), digest: "d", identity: "i"};
        const {fingerprint} = await page("service/share");
        const found = [];
        for (const id of ["other", "own"]) {
          board.expect(recipe, null, "own");
          await board.watch(id);
          const isCompared = () => board.element.textContent.includes("not the bytes of the link");
          // The comparison takes one digest; a hundred take longer, however slow the machine is.
          for (let i = 0; i < 100 && !isCompared(); i += 1) await fingerprint([]);
          found.push(isCompared());
        }
        return found;
        """
    )
    assert (other, own) == (False, True)


def test_canceled_job_is_not_drawn_on_by_the_browser(run_page: RunPage) -> None:
    """The browser had begun to draw it because it waited at the service."""
    assert run_page(
        SHARED
        + """
        const {JobBoard} = await page("parts/job_board");
        const waiting = {...job, status: "queued", progress: 0};
        const canceled = {...waiting, status: "canceled", finished_at: job.created_at};
        const api = {send: async () => stream(block("snapshot", waiting), block("canceled", canceled))};
        let drawing;
        const backend = {prepare() {}, help: async (job, given, {signal}) => { drawing = signal; return null; }};
        const board = new JobBoard(sharedWith({api, backend}));
        await board.watch("a");
        return [drawing.aborted, board.element.textContent.includes("Canceled at 0%")];
        """
    ) == [True, True]


def test_connection_that_says_nothing_is_given_up(run_page: RunPage) -> None:
    """Even if nobody closes it, as when a computer has slept or a router has forgotten it. Comments keep it alive."""
    assert run_page(
        """
        const {parse} = await page("service/events");
        const cancelled = [];
        const silent = new ReadableStream({
          async start(controller) {
            const send = (text) => controller.enqueue(new TextEncoder().encode(text));
            send(block("snapshot", job));
            for (let i = 0; i < 4; i++) {
              await new Promise((resolve) => setTimeout(resolve, 150));
              send(": ping\\n\\n");
            }
            send(block("row", {y: 0}));
          },
          cancel: () => void cancelled.push(true),
        });
        const found = [];
        for await (const {name} of parse(silent, 400)) found.push(name);
        await settle();
        return [found, cancelled];
        """
    ) == [["snapshot", "row"], [True]]


def test_link_whose_picture_is_cut_off_is_explained(run_page: RunPage) -> None:
    """The pictures stand at its end."""
    assert run_page(
        SHARED
        + """
        const {DrawingView} = await page("views/drawing_view");
        const pictures = {give: async () => { throw new DOMException("no picture", "EncodingError"); }};
        const chooser = {choose: () => true, model: null};
        const parts = {models: chooser, pictures, fields: {set() {}}};
        const element = document.createElement("section");
        const view = new DrawingView(element, sharedWith({api: {}, backend: {}}), parts, async () => null);
        const settings = {kind: "complete", model: "m", seed: 1, temperature: 1, n: 1};
        await view.follow({settings, given: {image: "data:image/png;base64,AA"}, digest: "", identity: "", sha256: ""});
        const form = element.querySelector("form");
        return form.querySelector("[data-field=form]").querySelector(".trouble").textContent;
        """
    ).startswith("This link does not say what is to be drawn")


BET = (
    SHARED
    + """
const {BetView} = await page("views/bet_view");
const model = {
  name: "m", data: "MNIST", title: "", width: 2, height: 2, channels: 1, values: 2, members: ["none"], labels: [],
  can: ["sample", "score"], small_width: 0, test_bits_per_dim: 1, compiling: false,
};
models.value = [model];
const picture = new ImageData(2, 2);
const map = {bits: [[[1], [1]], [[1], [1]]]};
const backend = {
  isReady: () => true,
  sample: async () => ({job: {...job, id: ""}, images: [picture], isHere: true}),
  scoreMap: async () => ({score: {nats: 4}, map}),
};
const element = document.createElement("section");
element.querySelector("input[type=range]").value = "50";
const view = new BetView(element, sharedWith({api: {}, backend}));
const said = (selector) => element.querySelector(selector).textContent;
"""
)


def test_bet_draws_on_when_its_view_is_shown_again(run_page: RunPage) -> None:
    """Otherwise another pixel than that of the bet would glow."""
    assert run_page(
        BET
        + """
        await settle();
        const began = frames.length;
        view.leave();
        const left = frames.length;
        view.open("");
        return [began, left, frames.length];
        """
    ) == [1, 0, 1]


@pytest.mark.parametrize(("of", "count"), [("4", 4), ("-1", 4), ("0.5", 4), ("2", 2)])
def test_game_has_as_many_bets_as_its_link_says(
    run_page: RunPage, of: str, count: int
) -> None:
    """If that is a number of bets; else it has as many as the picture has pixels, or twenty."""
    assert (
        run_page(
            BET
            + f"""
        await settle();
        view.open("model=m&seed=1&of={of}&away=3.2");
        await settle();
        return said(".standing");
        """
        )
        == f"A friend was 3.2 points away at these {count} pixels. Go."
    )


@pytest.mark.parametrize(("name", "is_named"), [("m", True), ("gone", False)])
def test_friend_guessed_only_at_pixels_of_the_same_model(
    run_page: RunPage, name: str, is_named: bool
) -> None:
    """Another model draws other pixels if that of the link is not here."""
    standing = run_page(
        BET
        + f"""
        await settle();
        view.open("model={name}&seed=1&of=4&away=3.2");
        await settle();
        return said(".standing");
        """
    )
    assert ("A friend was 3.2 points" in standing) is is_named


def test_others_that_nobody_waited_for_are_not_announced_for_ever(
    run_page: RunPage,
) -> None:
    """Real or not: the reader asked for twelve others, left, and returned."""
    drawing, back = run_page(
        SHARED
        + """
        const {RealView} = await page("views/real_view");
        const model = {
          name: "m", data: "unifont", width: 2, height: 2, channels: 1, values: 2, members: ["none"], labels: [],
          can: ["sample", "score"], small_width: 0, test_bits_per_dim: 1, compiling: false,
        };
        globalThis.Image = class { height = 2; width = 2; decode() {} };
        globalThis.createImageBitmap = async () => ({width: 2, height: 2});
        models.value = [model];
        let isSlow = false;
        const backend = {
          isReady: () => true,
          sample: () => isSlow ? new Promise(() => {}) : Promise.resolve({images: [new ImageData(2, 2)]}),
          scoreMap: async () => ({score: {nats: 4}, map: null}),
        };
        const element = document.createElement("section");
        const view = new RealView(element, sharedWith({backend}));
        const submit = element.querySelector("form button") && (() => element.querySelector("form").requestSubmit());
        await settle();
        submit();
        await settle();
        isSlow = true;
        submit();
        const standing = () => element.querySelector(".standing").textContent;
        const drawing = standing();
        view.leave();
        view.open();
        await settle();
        return [drawing, standing()];
        """
    )
    assert drawing == "The network draws…"
    assert back.startswith("You were right about")


def test_score_of_the_address_is_shown_again_after_one_of_this_browser(
    run_page: RunPage,
) -> None:
    """A picture that this browser scores has no address; the address still names the score before."""
    assert run_page(
        SHARED
        + """
        const {InspectView} = await page("views/inspect_view");
        globalThis.Image = class { height = 2; width = 2; decode() {} };
        globalThis.createImageBitmap = async () => ({width: 2, height: 2});
        const model = {
          name: "m", data: "MNIST", title: "", width: 2, height: 2, channels: 1, values: 2, members: ["none"],
          labels: [], can: ["score"], small_width: 0, test_bits_per_dim: null, compiling: false, parameters: 1,
        };
        models.value = [model];
        const map = {width: 2, height: 2, channels: 1, bits: [[[1], [1]], [[1], [1]]]};
        const score = {type: "score", nats: 4, bits_per_dim: 1, uniform_bits: 1, per_colour_bits: [], p_value: null};
        const asked = [];
        const api = {
          job: async (id) => {
            asked.push(id);
            return {...job, id, kind: "score", status: "succeeded", result: score};
          },
          scoreMap: async () => map,
          given: async () => new Blob(["x"]),
        };
        const backend = {can: () => true, isReady: () => true, scoreMap: async () => ({job: null, score, map})};
        backend.pixel = async () => null;
        const element = document.createElement("section");
        const view = new InspectView(element, sharedWith({api, backend}));
        view.open("a");
        for (let i = 0; i < 20; i += 1) await settle();
        element.querySelector("form").requestSubmit();
        for (let i = 0; i < 20; i += 1) await settle();
        view.open("a");
        return asked;
        """
    ) == ["a", "a"]


MAIN = """
const tabs = Array.from({length: 5}, () => document.createElement("a"));
document.createElement("nav").append(...tabs);
const [heard, addresses] = [{}, []];
Object.assign(document, {
  documentElement: document.createElement("html"),
  getElementById: (id) => document.body.querySelector(`#${id}`),
  querySelectorAll: (selector) => (selector.startsWith("header") ? tabs : []),
});
globalThis.scrollTo = () => {};
const setAddress = (_, __, address) => { addresses.push(address); location.hash = address; };
globalThis.history = {replaceState: setAddress, pushState: setAddress};
globalThis.addEventListener = (name, act, options) => options?.capture || (heard[name] = act);
globalThis.fetch = async () => new Response("{}", {status: 503});
const {ROOMS} = await page("rooms");
const opened = [];
const shared = {};
for (const [place, more] of Object.entries(VIEWS)) {
  const view = ROOMS.flat().find((one) => one.place === place);
  view.make = (element, given) => {
    shared[place] = given;
    return {open: (id) => opened.push(`${place}/${id}`), ...more};
  };
}
const go = async (address) => { location.hash = address; heard.hashchange?.(); await settle(); };
location.hash = "#bet";
await page("main");
await settle();
const notice = () => document.body.querySelector("#notice").textContent;
const drop = async (items, files) => {
  heard.drop({type: "drop", preventDefault() {}, dataTransfer: {items, files}});
  await settle();
};
"""


def test_job_that_begins_after_its_view_was_left_is_shown_on_return(
    run_page: RunPage,
) -> None:
    """It does not pull the reader back; the links to its view lead to it."""
    stayed, links, addresses, opened = run_page(
        """
        const VIEWS = {bet: {}, inspect: {}};
        """
        + MAIN
        + """
        await go("#inspect");
        await go("#bet");
        shared.inspect.onJob("a");
        await settle();
        const stayed = location.hash;
        const links = tabs.map((tab) => tab.getAttribute("href")).filter((href) => href?.includes("inspect"));
        await go(links[0] ?? "#inspect");
        shared.inspect.onJob("b");
        await settle();
        return [stayed, links, addresses, opened];
        """
    )
    assert (stayed, links) == ("#bet", ["#inspect/a"])
    assert addresses == ["#inspect/b"]
    assert opened == ["bet/", "inspect/", "bet/", "inspect/a", "inspect/b"]


def test_dropped_folder_or_moved_file_is_answered(run_page: RunPage) -> None:
    """Nothing can be read from either."""
    folder, moved = run_page(
        """
        const VIEWS = {bet: {}};
        """
        + MAIN
        + """
        const read = async () => { throw new DOMException("gone", "NotFoundError"); };
        const file = {name: "mine", slice: () => ({arrayBuffer: read})};
        await drop([{webkitGetAsEntry: () => ({isDirectory: true})}], []);
        const folder = notice();
        await drop([{webkitGetAsEntry: () => ({isDirectory: false})}], [file]);
        return [folder, notice()];
        """
    )
    assert folder == "Drop a single picture: only Teach takes a folder."
    assert moved == "“mine” cannot be read: it was moved, or it is damaged."


@pytest.mark.parametrize(
    ("kind", "version"), [("sample", "99"), ("score", "1"), ("sample", "")]
)
def test_picture_that_the_page_cannot_repeat_is_only_looked_at(
    run_page: RunPage, kind: str, version: str
) -> None:
    """A later version drew it, or it is one that was scored, or no text says how it was drawn."""
    text = {"kind": kind, "model": "m", "seed": "7", "temperature": "1"}
    chunks = {**text, "version": version} if version else {}
    known = f"const texts = {json.dumps(chunks)};"
    place, words, taken = run_page(
        known
        + """
        const taken = [];
        const VIEWS = {bet: {}, complete: {take: (file) => taken.push(file.name)}};
        """
        + MAIN
        + """
        const chunk = (kind, text) => {
          const content = Buffer.from(text, "latin1");
          const length = Buffer.alloc(4);
          length.writeUInt32BE(content.length);
          return Buffer.concat([length, Buffer.from(kind), content, Buffer.alloc(4)]);
        };
        const signature = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]);
        const parts = Object.entries(texts).map(([name, value]) => chunk("tEXt", `${name}\0${value}`));
        const file = new File([Buffer.concat([signature, ...parts])], "a.png");
        await drop([{webkitGetAsEntry: () => ({isDirectory: false})}], [file]);
        return [location.hash, notice(), taken];
        """
    )
    assert (place, taken) == ("complete", ["a.png"])
    assert words.startswith(
        "“a.png” was drawn in a way that this page cannot repeat"
        if version
        else "“a.png” does not say how it was drawn"
    )


def test_model_whose_worker_has_died_is_loaded_again(run_page: RunPage) -> None:
    """A worker may end by an error long after it has loaded its model."""
    first, second, made = run_page(
        """
        const {BrowserBackend} = await page("service/browser_backend");
        const workers = [];
        globalThis.Worker = class {
          constructor() { workers.push(this); }
          addEventListener(name, act) { this[name] = act; }
          terminate() {}
          postMessage({id, call}) {
            const result = call === "load" ? {name: "m"} : workers.length;
            queueMicrotask(() => this.message({data: {id, result}}));
          }
        };
        document.baseURI = `${PAGE}/`;
        const engine = "../../../engine/";
        const api = {portable: async () => ({digest: "d", identity: "i", engine, model: "m/"})};
        const backend = new BrowserBackend({api, info: {}, models: {}});
        const model = {name: "m", digest: "d", identity: "i", width: 1, height: 1, channels: 1, values: 2};
        const wish = {picture: new ImageData(1, 1)};
        const how = {signal: new AbortController().signal};
        const score = async () => (await backend.score(model, wish, how)).score.nats;
        const first = await score();
        workers[0].error();
        return [first, await score(), workers.length];
        """
    )
    assert (first, second, made) == (1, 2, 2)


def test_today_s_pixels_are_those_of_the_day_of_the_press(run_page: RunPage) -> None:
    """The page may have been opened before midnight."""
    before, after = run_page(
        BET
        + """
        const link = element.querySelector("[data-act=today]");
        const before = link.href;
        const Today = class extends Date { constructor() { super(2031, 4, 17, 12); } };
        globalThis.Date = Today;
        link.click();
        return [before, link.href];
        """
    )
    assert before != after == "#bet/seed=20310517&of=10"


def test_another_picture_leaves_the_address_of_today_s(run_page: RunPage) -> None:
    """Otherwise the link to today's pixels leads to where the page already is, and does nothing."""
    own, addresses, today = run_page(
        SHARED
        + """
        const addresses = [];
        sharedWith.more = {onJob: (place) => { addresses.push(place); view.open(place); }};
        """
        + BET.removeprefix(SHARED).replace(
            "sharedWith({api: {}, backend})",
            "sharedWith({api: {}, backend, ...sharedWith.more})",
        )
        + """
        const seeds = [];
        const {sample} = backend;
        backend.sample = (model, {seed}) => { seeds.push(seed); return sample(); };
        view.open("seed=20260119&of=10&model=m");
        await settle();
        element.querySelector("[data-act=again]").click();
        await settle();
        const {seed, model: name} = Object.fromEntries(new URLSearchParams(addresses[0]));
        const own = [name, seeds[1] === Number(seed)];
        view.open("seed=20260119&of=10&model=m");
        await settle();
        return [own, addresses.length, seeds[2]];
        """
    )
    assert (own, addresses, today) == (["m", True], 1, 20260119)


MODEL = """
const modelOf = (more) => ({
  name: "m", data: "MNIST", title: "", network: "row-lstm", width: 2, height: 2, channels: 1, values: 2,
  members: ["none"], labels: [], can: ["sample", "score", "complete"], methods: ["posterior"], small_width: 0,
  test_bits_per_dim: 1, test_nats: null, compiling: false, parameters: 1, palette: null, names: [],
  max_particles: 32, ...more,
});
globalThis.Image = class { height = 2; width = 2; decode() {} };
globalThis.createImageBitmap = async () => ({width: 2, height: 2});
"""


def test_kind_of_picture_stays_chosen_while_its_model_is_away(
    run_page: RunPage,
) -> None:
    """Another kind would clear the paper, and what is painted on it."""
    chosen, told = run_page(
        SHARED
        + MODEL
        + """
        const {ModelPicker} = await page("parts/model_picker");
        const all = [modelOf({}), modelOf({name: "e", data: "emoji"})];
        const picker = new ModelPicker("complete", models);
        models.value = all;
        const told = [];
        picker.turnTo("e");
        picker.onChange = ({name}) => told.push(name);
        models.value = [];
        const away = picker.model;
        models.value = [...all];
        return [[away, picker.model.name], told];
        """
    )
    assert (chosen, told) == ([None, "e"], ["e", "e"])


def test_link_of_incomplete_images_states_no_bytes(run_page: RunPage) -> None:
    """Whoever opens it draws all rows, which are not the bytes of a canceled job."""
    part, whole = run_page(
        """
        const {linkTo} = await page("service/share");
        const {Painting} = await page("pixels/painting");
        const painting = new Painting(job, null);
        const hashIn = async () => new URLSearchParams((await linkTo(job, [painting], {})).split("?")[1]).get("sha256");
        painting.put({stage: "final", y: 0, pixels: "AAA="});
        const part = await hashIn();
        painting.put({stage: "final", y: 1, pixels: "AAA="});
        return [part, await hashIn()];
        """
    )
    assert (part, len(whole)) == ("", 64)


def test_replay_keeps_larger_pictures(run_page: RunPage) -> None:
    """They come as a whole, so there are no rows to show again."""
    assert (
        run_page(
            """
        const {Tiles} = await page("parts/tiles");
        const tiles = new Tiles();
        await tiles.lay({...job, kind: "complete", cutouts: [{}]}, {});
        const [painting] = tiles.paintings;
        painting.canvas.replaceWith = () => {};
        painting.replaceWith(new ImageData(4, 4));
        tiles.replay();
        return tiles.paintings[0].whole("final")?.width;
        """
        )
        == 4
    )


def test_images_are_whole_during_a_replay(run_page: RunPage) -> None:
    """The replay shows canvases of its own, so all images are saved and linked, and their own canvases come back."""
    linked, saved, swaps = run_page(
        SHARED
        + """
        const {JobBoard} = await page("parts/job_board");
        const {SmallElement} = await import(DOCUMENT);
        const images = [0, 1], rows = images.flatMap((sample) => [0, 1].map((y) => ({sample, y})));
        const sample = async (model, wish, {onJob, onRow}) => {
          const drawn = {...job, id: "", n: 2, status: "succeeded"};
          await onJob(drawn, {});
          for (const place of rows) onRow({...place, stage: "final", pixels: "AAA="});
          return {job: drawn, mean: null};
        };
        const api = {hasService: false};
        const board = new JobBoard(sharedWith({api, backend: {browser: {sample}}}));
        await board.drawHere("sample", {name: "m"}, {}, true);
        const {children: [head]} = board.element;
        const [replay, all, , link] = head.children.at(-1).children;
        const swaps = [];
        SmallElement.prototype.replaceWith = function (other) { swaps.push([this, other]); };
        let linked = "", saved = [];
        navigator.clipboard = {writeText: async (text) => (linked = text)};
        SmallElement.prototype.toBlob = function (receive) {
          saved = [this.width, this.height];
          receive(new Blob(["picture"]));
        };
        replay.click();
        frame(60);
        all.click();
        link.click();
        for (let i = 0; i < 20; i += 1) await settle();
        frame(1000);
        const areBack = images.map((i) => swaps[i][0] === swaps[i + 2]?.[1] && swaps[i][1] === swaps[i + 2]?.[0]);
        return [new URLSearchParams(linked.split("?")[1]).get("sha256").length, saved, areBack];
        """
    )
    assert (linked, saved, swaps) == (64, [5, 2], [True, True])


def test_job_that_was_forgotten_while_it_was_drawn_stays_so(run_page: RunPage) -> None:
    """Its board goes on showing it."""
    before, after = run_page(
        SHARED
        + """
        const {JobBoard} = await page("parts/job_board");
        const done = {...job, status: "succeeded", progress: 1, finished_at: job.created_at};
        let end;
        const events = new ReadableStream({
          start(stream) {
            const send = (...event) => stream.enqueue(new TextEncoder().encode(block(...event)));
            send("snapshot", job);
            end = () => send("done", done);
          },
        });
        const given = sharedWith({
          api: {send: async () => new Response(events)}, backend: {help: async () => null, prepare() {}},
        });
        const board = new JobBoard(given);
        const watching = board.watch("a");
        await settle();
        const before = given.history.all().length;
        given.history.replace([]);
        end();
        await watching;
        return [before, given.history.all().length];
        """
    )
    assert (before, after) == (1, 0)


def test_fog_of_a_job_is_not_shown_over_other_ink(run_page: RunPage) -> None:
    """The reader paints on while the job is drawn: its expected values are for other given pixels."""
    begun, painted, restored = run_page(
        SHARED
        + MODEL
        + """
        const {CompleteView} = await page("views/complete_view");
        const {JobBoard} = await page("parts/job_board");
        const {Pad} = await page("parts/pad");
        const {showMean, edit} = Pad.prototype;
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
        JobBoard.prototype.watch = function () { board = this; };
        const mean = new ImageData(2, 2);
        const expected = () => { board.onExpect(mean, job); return shown.splice(0).length; };
        const given = {image: "data:image/png;base64,AA", mask: "data:image/png;base64,AA"};
        const backend = {
          begin: async () => ({...job, kind: "complete"}), browser: {can: () => false}, isReady: () => false,
        };
        const shared = sharedWith({api: {hasService: true}, backend});
        models.value = [modelOf({})];
        const element = document.createElement("section");
        const view = new CompleteView(element, shared);
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
        await view.restore({...job, kind: "complete"}, given);
        return [begun, painted, expected()];
        """
    )
    assert (begun, painted, restored) == (1, 0, 1)


def test_png_that_unpacks_to_more_than_it_states_is_not_unpacked(
    run_page: RunPage,
) -> None:
    """Its header states one pixel; the stream has millions, and could fill the memory."""
    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    packer = zlib.compressobj(9)
    data = packer.compress(bytes(2**22)) + packer.flush(zlib.Z_FULL_FLUSH)
    # The stream has no end, so a reader that unpacks all of it finds it damaged.
    streams = data, zlib.compress(bytes(2)), zlib.compress(bytes(1))
    begin = PNG_SIGNATURE + _chunk(b"IHDR", header)
    files = [
        (begin + _chunk(b"IDAT", stream) + _chunk(b"IEND", b"")).hex()
        for stream in streams
    ]
    known = f"const files = {json.dumps(files)};"
    outcomes = run_page(
        known
        + """
        const {pixelsOf, readPng} = await import(`${PAGE}/../../../engine/png.js`);
        return Promise.all(files.map((hex) => pixelsOf(readPng(new Uint8Array(Buffer.from(hex, "hex")))).then(
          (pixels) => pixels.length, ({message}) => message,
        )));
        """
    )
    assert outcomes == [
        "the PNG is damaged: it has more pixels than its header states",
        1,
        "the PNG is damaged: it lacks pixels",
    ]


def test_same_file_can_be_chosen_again_after_others(run_page: RunPage) -> None:
    """A browser reports a choice only if the value of the field changes."""
    assert run_page(
        SHARED
        + """
        const {TeachView} = await page("views/teach_view");
        const element = document.createElement("section");
        new TeachView(element, sharedWith({api: {}}));
        const inputs = element.querySelector("form").querySelectorAll("input");
        const files = inputs.filter(({type}) => type === "file");
        for (const input of files) Object.assign(input, {files: [new File([""], "a.png")], value: "a.png"}).click();
        return files.map(({value}) => value);
        """
    ) == ["", ""]


def test_drop_of_nothing_readable_is_answered(run_page: RunPage) -> None:
    """An empty folder, or one that the browser may not read."""
    assert (
        run_page(
            SHARED
            + """
        const {TeachView} = await page("views/teach_view");
        const element = document.createElement("section");
        const heard = {};
        element.addEventListener = (name, act) => (heard[name] = act);
        new TeachView(element, sharedWith({api: {}}));
        const entry = {isDirectory: true, createReader: () => ({readEntries: (found) => found([])})};
        const event = {preventDefault() {}, stopPropagation() {}};
        heard.drop({...event, dataTransfer: {items: [{webkitGetAsEntry: () => entry}], files: []}});
        await settle();
        const form = element.querySelector("form");
        return form.querySelector('[data-field="image"]').querySelector(".trouble").textContent;
        """
        )
        == "Nothing in it can be read. Choose pictures."
    )


def test_training_can_be_finished_after_a_request_that_failed(
    run_page: RunPage,
) -> None:
    """The button would stay dead until the next evaluation."""
    dead, ready = run_page(
        SHARED
        + """
        const {TrainingBoard} = await page("parts/training_board");
        const progress = {
          progress: 0.5, minutes_left: 1, told: "", bits_per_dim: 0.5, share: 0.5, uniform_bits: 1, png_bits: 1,
        };
        const training = {...job, kind: "train"};
        let refuse;
        const send = (path) => path.endsWith("/events")
          ? new Response(new ReadableStream({start: (stream) => stream.enqueue(new TextEncoder().encode(
              block("snapshot", training) + block("progress", progress)))}))
          : new Promise((_, no) => (refuse = no));
        const board = new TrainingBoard(sharedWith({api: {send}}));
        const [{children: [, {children: [finish]}]}] = board.element.children;
        board.watch("a");
        await settle();
        finish.click();
        const dead = finish.disabled;
        const {Unreachable} = await page("service/problems");
        refuse(new Unreachable());
        await settle();
        return [dead, finish.disabled];
        """
    )
    assert (dead, ready) == (True, False)


def test_drawn_characters_are_scored_by_the_network_that_drew_them(
    run_page: RunPage,
) -> None:
    """A better model may have been loaded since."""
    assert run_page(
        SHARED
        + MODEL
        + """
        const {RealView} = await page("views/real_view");
        const first = modelOf({name: "first", data: "unifont"});
        const better = {...first, name: "better", test_bits_per_dim: 0.1};
        models.value = [first];
        const askers = new Set();
        const backend = {
          isReady: () => true,
          sample: async () => ({images: [new ImageData(2, 2)]}),
          scoreMap: async ({name}) => { askers.add(name); return {score: {nats: 4}, map: null}; },
        };
        const element = document.createElement("section");
        new RealView(element, sharedWith({backend}));
        await settle();
        models.value = [first, better];
        element.querySelector("form").requestSubmit();
        await settle();
        return [...askers];
        """
    ) == ["first"]


def test_example_is_requested_again_soon_after_the_server_is_back(
    run_page: RunPage,
) -> None:
    """Forms wait for it, and their buttons with them."""
    waits = run_page(
        MODEL
        + """
        const {examplesFor} = await page("service/examples");
        const waits = [];
        let lost = 12;
        globalThis.Image = class { height = 2; width = 2; decode() { if (lost--) throw new Error("lost"); } };
        globalThis.setTimeout = (act, ms) => { waits.push(ms); queueMicrotask(act); };
        await examplesFor(modelOf({}), {width: 2, height: 2});
        return waits;
        """
    )
    assert (len(waits), waits[:3], max(waits)) == (12, [500, 1000, 2000], 8000)


def test_last_given_picture_is_the_one_that_stays(run_page: RunPage) -> None:
    """The one before may take longer to decode."""
    assert (
        run_page(
            MODEL
            + """
        const {PicturePicker} = await page("parts/picture_picker");
        const picker = new PicturePicker("", (model) => model);
        const slow = {};
        globalThis.Image = class {
          height = 2; width = 2;
          decode() { return this.src === "slow" && new Promise((done) => (slow.done = done)); }
        };
        const offered = [];
        globalThis.createImageBitmap = async ({src}) => ({width: 2, height: 2, src});
        picker.offerWhole({offer: ({bitmap}) => offered.push(bitmap.src)});
        picker.suit(modelOf({}));
        await settle();
        picker.give("slow");
        await settle();
        await picker.give("fast");
        slow.done();
        await settle();
        return offered.at(-1);
        """
        )
        == "fast"
    )


def test_hole_is_laid_only_over_the_picture_of_its_job(run_page: RunPage) -> None:
    """The reader goes on to another job while the picture of the first is decoded; the first is not drawn either."""
    laid, restored = run_page(
        SHARED
        + MODEL
        + """
        const {DrawingView} = await page("views/drawing_view");
        const {PicturePicker} = await page("parts/picture_picker");
        const decoding = {};
        globalThis.Image = class {
          height = 2; width = 2;
          decode() { return new Promise((done) => (decoding[this.src] = done)); }
        };
        const pictures = new PicturePicker("", (model) => model);
        const parts = {models: {choose: () => true, model: null}, pictures, fields: {set() {}}};
        const shared = sharedWith({api: {}, backend: {}});
        const view = new DrawingView(document.createElement("section"), shared, parts, async () => null);
        const laid = [];
        view.onRefill = ({mask}) => laid.push(mask);
        const settings = {kind: "complete", model: "m", seed: 1, temperature: 1, n: 1};
        const restored = ["one", "other"].map((name) => view.restore(settings, {image: name, mask: name}));
        await settle();
        decoding.other();
        await settle();
        decoding.one();
        return [laid, await Promise.all(restored)];
        """
    )
    assert (laid, restored) == (["other"], [False, True])


def test_message_that_the_server_is_away_goes_when_it_is_back(
    run_page: RunPage,
) -> None:
    """Watch shows a picture already, so it asks for nothing by itself."""
    away, back = run_page(
        SHARED
        + MODEL
        + """
        const {DrawView} = await page("views/draw_view");
        const {Unreachable} = await page("service/problems");
        models.value = [modelOf({})];
        let isAway = false;
        const images = (n = 1) => Array.from({length: n}, () => new ImageData(2, 2));
        const sample = async (model, {n}) => {
          if (isAway) throw new Unreachable();
          return {job: {...job, id: ""}, images: images(n), isHere: true};
        };
        const map = {bits: [[[1], [1]], [[1], [1]]]};
        const backend = {isReady: () => true, sample, scoreMap: async () => ({score: {nats: 4}, map})};
        const element = document.createElement("section");
        element.querySelector(".sums").append(element.querySelector("[data-rarity]"));
        const shared = sharedWith({backend});
        new DrawView(element, shared);
        await settle();
        const line = element.querySelector(".explained > .trouble");
        isAway = true;
        element.querySelector("[data-act=another]").click();
        await settle();
        const away = line.hidden;
        shared.isOnline.value = true;
        return [away, line.hidden];
        """
    )
    assert (away, back) == (False, True)


def test_sentence_about_one_request_stays_while_the_server_answers_others(
    run_page: RunPage,
) -> None:
    """Polls say every few seconds that the server is there; it goes when a server that was away is back."""
    assert run_page(
        SHARED
        + """
        const {clearTroubleOnChange, showTrouble} = await page("parts/fields");
        const {Unreachable} = await page("service/problems");
        const {isOnline} = sharedWith({});
        const form = document.createElement("form");
        const line = form.querySelector("[data-field=form]").querySelector(".trouble");
        form.querySelectorAll = (selector) => (selector === ".trouble[data-unreachable]" ? [line] : []);
        clearTroubleOnChange(form, isOnline);
        showTrouble(form, new Unreachable());
        return [true, false, true].map((answers) => {
          isOnline.value = answers;
          return line.hidden;
        });
        """
    ) == [False, False, True]


def test_place_of_a_failed_answer_is_not_busy(run_page: RunPage) -> None:
    """A screen reader would wait for it, and others see it faded."""
    asking, labels, beliefs = run_page(
        SHARED
        + MODEL
        + """
        const {LabelBars} = await page("parts/label_bars");
        const {InspectView} = await page("views/inspect_view");
        const {Unreachable} = await page("service/problems");
        const away = async () => { throw new Unreachable(); };
        const score = {nats: 4, bits_per_dim: 1, uniform_bits: 1, per_colour_bits: [], quantised_pixels: 0};
        const map = {width: 2, height: 2, channels: 1, bits: [[[1], [1]], [[1], [1]]]};
        const backend = {
          classify: away, pixel: away, can: () => true, isReady: () => true,
          scoreMap: async () => ({job, score, map}),
        };
        const model = modelOf({can: ["score", "classify"], labels: [{name: "one"}], values: 4});
        const scored = {picture: new ImageData(2, 2), cover: {count: 0}, element: document.createElement("div")};
        const shared = sharedWith({backend, api: {}});
        const bars = new LabelBars(shared, scored);
        bars.show(model);
        const isBusy = () => bars.element.children[1].hasAttribute("aria-busy");
        const asking = isBusy();
        const element = document.createElement("section");
        models.value = [model];
        new InspectView(element, shared);
        await settle();
        await settle();
        const places = [element.querySelector(".stage")];
        for (const {children = []} of places) places.push(...children.filter((child) => child.children));
        const beliefs = places.filter((place) => place.getAttribute("aria-label") === "Expected values");
        return [asking, isBusy(), beliefs.map((place) => place.hasAttribute("aria-busy"))];
        """
    )
    assert (asking, labels, beliefs) == (True, False, [False])


def test_arrows_in_the_list_of_sizes_show_no_other_image(run_page: RunPage) -> None:
    """They choose a size there."""
    titles = run_page(
        """
        const {Lightbox} = await page("parts/lightbox");
        const {Painting} = await page("pixels/painting");
        const {SmallElement} = await import(DOCUMENT);
        SmallElement.prototype.showModal = () => {};
        SmallElement.prototype.querySelectorAll = (selector) =>
          (selector === "dl" ? [new SmallElement(), new SmallElement()] : []);
        const paintings = [new Painting(job, null), new Painting(job, null)];
        const shared = {api: {}, backend: {browser: {canDraw: () => false}}, models: {value: []}};
        new Lightbox(shared, {...job, n: 2}, paintings, {}).open(0);
        const dialog = document.body.children.at(-1);
        const title = () => dialog.querySelector("h2").textContent;
        const titles = [title()];
        for (const target of [dialog.querySelector("select"), dialog]) {
          dialog.fire("keydown", {key: "ArrowRight", target});
          titles.push(title());
        }
        return titles;
        """
    )
    assert titles == ["Image 1 of 2", "Image 1 of 2", "Image 2 of 2"]


def test_focus_stays_in_the_history_when_jobs_are_brought_back(
    run_page: RunPage,
) -> None:
    """The button that was pressed disappears."""
    assert run_page(
        SHARED
        + """
        const {HistoryStrip} = await page("parts/history_strip");
        const strip = new HistoryStrip(sharedWith({api: {}}));
        const [, {children: [undo, clear]}] = strip.element.children[0].children;
        const focused = [];
        for (const [name, button] of Object.entries({undo, clear})) button.focus = () => focused.push(name);
        clear.click();
        undo.click();
        return focused;
        """
    ) == ["undo", "clear"]


def test_clamped_completion_of_the_browser_is_not_called_poor(
    run_page: RunPage,
) -> None:
    """Nothing was estimated of it, as by the service."""
    assert run_page(
        MODEL
        + BACKEND
        + """
        const {receiptOf} = await page("service/api");
        const clamped = {images: [], receipt: {exact: true, quality: null}, mean: null};
        const good = {...clamped, receipt: {exact: false, quality: "good"}};
        const answers = [clamped, good];
        setLoader(async () => ({complete: async () => answers.shift()}));
        const wish = {n: 1, seed: 1, picture: new ImageData(2, 2), hole: new Uint8Array(4)};
        const how = {signal: new AbortController().signal};
        const model = modelOf({digest: "d", identity: "i"});
        const receipts = [];
        for (const method of ["clamp", "posterior"])
          receipts.push(receiptOf((await backend.complete(model, {...wish, method}, how)).job));
        return receipts;
        """
    ) == [None, {"exact": False, "quality": "good"}]


def test_figures_are_those_of_the_weights_that_drew(run_page: RunPage) -> None:
    """Another model may have the name of a job by now, as after a second training."""
    found = run_page(
        MODEL
        + """
        const {modelOf: modelOfJob} = await page("service/choice");
        const cases = [
          {},
          {digest: "e", identity: "j"},
          {identity: "j"},
          {identity: null},
          {identity: null, digest: "e"},
          {name: "other"},
        ];
        const own = {digest: "d", identity: "i"};
        return cases.map((more) => modelOfJob([modelOf({...own, ...more})], job) !== null);
        """
    )
    assert found == [True, False, False, True, False, False]


def test_surprise_by_other_weights_of_the_same_name_is_not_shown(
    run_page: RunPage,
) -> None:
    """It is what the image cost the model that drew it."""
    shown = run_page(
        MODEL
        + """
        const {Lightbox} = await page("parts/lightbox");
        const {Painting} = await page("pixels/painting");
        const {SmallElement} = await import(DOCUMENT);
        SmallElement.prototype.showModal = () => {};
        const lists = [new SmallElement(), new SmallElement()];
        SmallElement.prototype.querySelectorAll = (selector) => (selector === "dl" ? lists : []);
        const shown = [];
        for (const digest of ["d", "e"]) {
          const painting = new Painting(job, null);
          for (const y of [0, 1]) painting.put({stage: "final", y, pixels: "AAA="});
          const score = async () => ({score: {nats: 4 * Math.LN2, bits_per_dim: 1}});
          const backend = {browser: {canDraw: () => false}, score};
          const shared = {api: {}, backend, models: {value: [modelOf({digest, identity: null})]}};
          new Lightbox(shared, job, [painting], {}).open(0);
          await settle();
          shown.push(lists[0].textContent.split("Surprise")[1]);
        }
        return shown;
        """
    )
    assert shown == ["4.0 bits", "not known yet"]


def test_code_sends_a_text_as_it_is(run_page: RunPage) -> None:
    """With -F curl reads the file that a text names behind @."""
    lines = run_page(
        """
        const {curlOf} = await page("service/code_examples");
        const place = {origin: "http://here", isGuarded: false};
        const lineOf = (label) => curlOf({kind: "complete", fields: {label}, files: {image: "given.png"}}, place);
        return ["seven", "@home", "a;type=b"].map(lineOf);
        """
    )
    options = [line.split("\\\n")[2].strip() for line in lines]
    assert options == [
        "-F label=seven",
        "--form-string label=@home",
        "--form-string label='a;type=b'",
    ]


def test_more_files_than_an_archive_holds_are_refused(run_page: RunPage) -> None:
    """Their number has two bytes in it."""
    assert run_page(
        """
        const {packFiles} = await page("views/teach_view");
        const files = Array.from({length: 65536}, (_, i) => [`${i}.png`, {size: 1}]);
        return packFiles(files).then(() => "packed", ({message}) => message);
        """
    ).startswith("At most 65,535 files are taken")


def test_request_for_the_limits_is_given_up(run_page: RunPage) -> None:
    """The page asks for the models again only when both requests have ended."""
    assert (
        run_page(
            """
        const {Api} = await page("service/api");
        AbortSignal.timeout = () => AbortSignal.abort(new DOMException("late", "TimeoutError"));
        globalThis.fetch = (path, {signal}) => new Promise((resolve, reject) => {
          if (signal?.aborted) reject(signal.reason);
          setTimeout(() => resolve(new Response("{}")), 20);
        });
        return new Api().info().then(() => "answered", ({constructor: {name}}) => name);
        """
        )
        == "Unreachable"
    )


GUARDED = """
globalThis.fetch = async (path, {headers, signal}) => {
  if (signal?.aborted) throw signal.reason;
  if (headers.get("Authorization") === "Bearer good") return new Response('{"models": []}');
  return new Response('{"type": "urn:unauthorized", "title": "", "detail": ""}', {status: 401});
};
const {Api} = await page("service/api");
const api = new Api();
"""
"""A server whose key is "good"."""


@pytest.mark.parametrize("stored", ["", "go\u200bod"])
def test_key_that_no_header_can_contain_is_asked_for_again(
    run_page: RunPage, stored: str
) -> None:
    """It was copied with a character that nobody sees; the tab may have it from an earlier version of the page."""
    known = f"const stored = {json.dumps(stored)};"
    assert run_page(
        known
        + """
        const texts = new Map(stored ? [["pixelrnn.key", stored]] : []);
        const setItem = (key, text) => texts.set(key, text);
        globalThis.sessionStorage = {getItem: (key) => texts.get(key) ?? null, setItem};
        """
        + GUARDED
        + """
        const keys = ["good\u200b", "go\u2013od", "good"];
        api.askForKey = async () => keys.shift();
        const models = await api.models();
        return [models, keys, texts.get("pixelrnn.key")];
        """
    ) == [[], [], "good"]


def test_time_for_entering_the_key_does_not_count(run_page: RunPage) -> None:
    """The request that is sent again with the key has the whole limit before it."""
    assert (
        run_page(
            GUARDED
            + """
        const limits = [];
        AbortSignal.timeout = () => {
          const limit = new AbortController();
          limits.push(limit);
          return limit.signal;
        };
        api.askForKey = async () => {
          for (const limit of limits) limit.abort(new DOMException("late", "TimeoutError"));
          return "good";
        };
        return api.models();
        """
        )
        == []
    )


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("new Response('')", "could not be loaded"),
        ("new Response('', {status: 502})", "does not answer"),
        ("Promise.reject(new TypeError('network'))", "does not answer"),
    ],
)
def test_code_of_a_view_that_does_not_fit_is_not_waited_for(
    run_page: RunPage, tmp_path: Path, answer: str, words: str
) -> None:
    """The server was upgraded since the page was opened: its new code needs what the loaded modules lack."""
    upgraded = tmp_path / "js"
    shutil.copytree(PAGE, upgraded)
    (upgraded / "views" / "complete_view.js").write_text(
        'import {newIn} from "../service/problems.js"; export const CompleteView = newIn;'
    )
    known = (
        f"const upgraded = {json.dumps(upgraded.as_uri())}, answer = () => {answer};"
    )
    sentence = run_page(
        known
        + """
        globalThis.fetch = async () => answer();
        const {ROOMS} = await import(`${upgraded}/rooms.js`);
        const {explain} = await import(`${upgraded}/service/problems.js`);
        const view = ROOMS.flat().find(({place}) => place === "complete");
        return view.make(null, {}).catch((error) => explain(error).text);
        """
    )
    assert words in sentence


def test_undo_by_keyboard_changes_only_what_can_be_undone(run_page: RunPage) -> None:
    """The endings stay if there is nothing to undo, and the ink below an open dialog does."""
    nothing, below, undone, redone, again = run_page(
        MODEL
        + """
        const {SmallElement} = await import(DOCUMENT);
        SmallElement.prototype.checkVisibility = () => true;
        globalThis.HTMLInputElement = class {};
        const {querySelector} = document;
        let dialog = null;
        document.querySelector = (selector) => (selector === "dialog:modal" ? dialog : querySelector(selector));
        const heard = {};
        globalThis.addEventListener = (name, act) => (heard[name] = act);
        const {Pad} = await page("parts/pad");
        const pad = new Pad();
        pad.open(modelOf({}));
        const press = (key) => {
          let changes = 0;
          pad.onInk = pad.onRest = () => (changes += 1);
          heard.keydown({key, ctrlKey: true, target: document.body, preventDefault() {}});
          return [changes, pad.ink.hole[0]];
        };
        const nothing = [...press("z"), ...press("y")];
        pad.fill(() => 3);
        dialog = document.createElement("dialog");
        const below = press("z");
        dialog = null;
        return [nothing, below, press("z"), press("y"), press("y")];
        """
    )
    assert nothing == [0, 1, 0, 1]
    assert below == [0, 3]
    assert (undone, redone, again) == ([2, 1], [2, 3], [0, 3])


def test_copy_is_announced(run_page: RunPage) -> None:
    """A screen reader does not say that a button's text has changed."""
    assert run_page(
        BET
        + """
        navigator.clipboard = {writeText: async () => {}};
        await settle();
        const announced = [];
        for (const name of ["friend", "result"]) {
          document.querySelector("#announcer").textContent = "";
          element.querySelector(`[data-act=${name}]`).click();
          await settle();
          announced.push(document.querySelector("#announcer").textContent);
        }
        return announced;
        """
    ) == ["Copied.", "Copied."]


def test_images_of_the_browser_that_nobody_waits_for_are_not_returned(
    run_page: RunPage,
) -> None:
    """They were on their way from the worker when the reader painted on."""
    assert run_page(
        MODEL
        + BACKEND
        + """
        let leaving;
        const done = {images: [], receipt: {quality: "good"}, mean: null};
        setLoader(async () => ({
          sample: async () => { leaving.abort(); return []; },
          complete: async () => { leaving.abort(); return done; },
        }));
        const wish = {n: 1, seed: 1, picture: new ImageData(2, 2), hole: new Uint8Array(4)};
        const model = modelOf({digest: "d", identity: "i"});
        const outcomes = [];
        for (const call of ["sample", "complete"]) {
          leaving = new AbortController();
          const answer = backend[call](model, wish, {signal: leaving.signal});
          outcomes.push(await answer.then(() => "answered", ({name}) => name));
        }
        return outcomes;
        """
    ) == ["AbortError", "AbortError"]
