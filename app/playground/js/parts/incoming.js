/** Files that are dropped or pasted anywhere on the page. */

import { isWriting } from "./dom.js";

/** @param {(file: File) => void} take called with the first file */
export function receiveFiles(take) {
  const mark = (/** @type {Event} */ event) => {
    event.preventDefault();
    document.body.classList.toggle("dragged-over", event.type === "dragover");
  };
  for (const name of ["dragover", "dragleave"]) addEventListener(name, mark);
  addEventListener("drop", (event) => {
    mark(event);
    const file = event.dataTransfer?.files[0];
    if (file) take(file);
  });
  addEventListener("paste", (event) => {
    const file = event.clipboardData?.files[0];
    if (!file || isWriting(event.target)) return;
    event.preventDefault();
    take(file);
  });
}
