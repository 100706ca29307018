/** Tests of the page's modules in Node: each runs in a thread with modules and a global object of its own. */
import { test } from "node:test";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

/** Declare a test of the file `url`. */
export function alone(url, name, run) {
  if (isMainThread) test(name, { timeout: 60_000 }, () => runInThread(url, name));
  else if (workerData === name) run().then(() => parentPort.postMessage("passed"));
}

async function runInThread(url, name) {
  const worker = new Worker(new URL(url), { workerData: name });
  try {
    await new Promise((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
      worker.once("exit", () => reject(new Error("the test waits for something that never happens")));
    });
  } finally {
    await worker.terminate();
  }
}
