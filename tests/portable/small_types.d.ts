/** What small_document.mjs and Node provide, without their types: tests put their own in its place. */
declare module "node:*";
declare module "node:assert/strict" {
  const assert: any;
  export default assert;
}
declare var AbortController: any;
declare var AbortSignal: any;
declare var addEventListener: any;
declare var Blob: any;
declare var Buffer: any;
declare var createImageBitmap: any;
declare var console: any;
declare var document: any;
declare var DOMException: any;
declare var fetch: any;
declare var File: any;
declare var history: any;
declare var HTMLInputElement: any;
declare var Image: any;
declare var ImageData: any;
declare var location: any;
declare var navigator: any;
declare var performance: any;
declare var process: any;
declare var queueMicrotask: any;
declare var ReadableStream: any;
declare var Response: any;
declare var scrollTo: any;
declare var sessionStorage: any;
declare var setImmediate: any;
declare var setTimeout: any;
declare var TextEncoder: any;
declare var URL: any;
declare var URLSearchParams: any;
declare var WebAssembly: any;
declare var Worker: any;
interface ImportMeta {
  url: string;
}
