/** Files that are dropped or pasted anywhere on the page. */

import { isWriting } from "./dom.js";

/** @param {(file: File) => void} take called with the first file */
export function receiveFiles(take) {
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
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
