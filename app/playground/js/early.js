/**
 * Runs before anything is painted, and is no module: if the address names another view, the first one is not shown until
 * main.js has read the address.
 */
if (/^#(?!watch\b|$)/.test(location.hash)) document.documentElement.dataset.elsewhere = "";
