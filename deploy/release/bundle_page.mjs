/**
 * Make the page of few files: what wheels, images and folders deliver, and a checkout if it is in build/page.
 *
 *     node deploy/release/bundle_page.mjs OUT
 *
 * OUT is laid out as app/playground is: index.html, css/page.css, js/main.js, one file with the views that are loaded
 * later, one with what both share, and all other files as they are. Needs esbuild: npm ci --prefix tests/browser. The engine is not part of
 * it, since its modules are public (docs/anywhere.md). OUT/one-file has the code of the page that is one file, which
 * `pixelrnn export --one-file` puts together; nobody serves it. OUT/sources.sha256 is the digest of app/playground, by
 * which app/routes/page_files.py knows a bundle that is older than the modules.
 */

import { createHash } from "node:crypto";
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../..");
const PAGE = path.join(ROOT, "app", "playground");
const STYLE = /(?:<link rel="stylesheet" href="\/playground\/css\/\w+\.css">\n)+/;
const MARK = "<!-- modules -->";

const { build } = createRequire(path.join(ROOT, "tests", "browser", "package.json"))("esbuild");
const out = path.resolve(process.argv[2] ?? "build/page");
const shared = { absWorkingDir: PAGE, bundle: true, minify: true, logLevel: "warning" };

await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });
for (const name of ["img", "font", "js/lang"]) await cp(path.join(PAGE, name), path.join(out, name), { recursive: true });

/** One chunk for all views that are loaded later: each alone would share another part with the others, as a file. */
const views = (await readdir(path.join(PAGE, "js/views"))).map((name) => `export * from "./js/views/${name}";`);
const oneChunk = {
  name: "one-chunk",
  setup(/** @type {any} */ { onResolve, onLoad }) {
    const later = { path: "views", namespace: "later" };
    onResolve({ filter: /_view\.js$/ }, ({ kind }) => (kind === "dynamic-import" ? later : null));
    onLoad({ filter: /./, namespace: "later" }, () => ({ contents: views.join("\n"), resolveDir: PAGE }));
  },
};

const { metafile } = await build({
  ...shared,
  entryPoints: ["js/main.js"],
  outdir: path.join(out, "js"),
  chunkNames: "[name]-[hash]",
  format: "esm",
  target: "es2022",
  splitting: true,
  metafile: true,
  plugins: [oneChunk],
});
await build({ ...shared, bundle: false, entryPoints: ["js/early.js"], outdir: path.join(out, "js") });

const page = await readFile(path.join(PAGE, "index.html"), "utf-8");
const styles = [...(STYLE.exec(page)?.[0] ?? "").matchAll(/\w+\.css/g)].map(([name]) => `@import "./css/${name}";`);
const contents = styles.join("\n");
await build({
  ...shared,
  stdin: { contents, resolveDir: PAGE, loader: "css", sourcefile: "page.css" },
  outfile: path.join(out, "css", "page.css"),
  external: ["*.woff2"],
});

/**
 * The code of the page that is one file: with the engine, whose worker is a script of its own. Both take the engine to be
 * where app/playground/js/service/one_file.js says, since import.meta.url is no place from which a file can be read there.
 */
const whole = { ...shared, define: { "import.meta.url": JSON.stringify("https://one-file.invalid/engine/index.js") } };
await build({
  ...whole,
  stdin: { contents: 'import "./js/service/one_file.js"; import "./js/main.js";', resolveDir: PAGE, sourcefile: "page.js" },
  outfile: path.join(out, "one-file", "page.js"),
  format: "esm",
  target: "es2022",
});
await build({
  ...whole,
  entryPoints: [path.join(ROOT, "engine", "worker.js")],
  outfile: path.join(out, "one-file", "worker.js"),
  format: "iife",
  target: "es2022",
});

/** The modules of the first view: those that main.js imports, and what they import. */
function imported(name, known = new Set()) {
  if (known.has(name)) return known;
  known.add(name);
  for (const { path: other, kind } of metafile.outputs[name].imports) {
    if (kind === "import-statement") imported(other, known);
  }
  return known;
}

const main = Object.keys(metafile.outputs).find((name) => path.basename(name) === "main.js");
const links = [...imported(main)].map((name) => `<link rel="modulepreload" href="/playground/js/${path.basename(name)}">`);
const bundled = page
  .replace(STYLE, '<link rel="stylesheet" href="/playground/css/page.css">\n')
  .replace(MARK, links.join("\n"));
await writeFile(path.join(out, "index.html"), bundled);

const entries = await readdir(PAGE, { recursive: true, withFileTypes: true });
const files = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => path.join(parentPath, name));
const names = files.map((file) => path.relative(PAGE, file).replaceAll(path.sep, "/")).sort();
const digest = createHash("sha256");
for (const name of names) {
  const content = await readFile(path.join(PAGE, name));
  digest.update(name).update(createHash("sha256").update(content).digest());
}
await writeFile(path.join(out, "sources.sha256"), digest.digest("hex"));
