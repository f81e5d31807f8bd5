// A button that copies. Where the clipboard is not to be had (a page that is not on loopback) the text is selected instead.

import { h } from "./dom.js";
import { say } from "./live.js";

export function copyButton(text, label) {
  return h("button", { class: "copy", "aria-label": `Copy ${label}`, onclick: (event) => copy(event.currentTarget, text) }, "Copy");
}

export function copyable(text, label) {
  return h("span", { class: "copyable" }, h("code", null, text), copyButton(text, label));
}

async function copy(button, text) {
  let done = "Copied";
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const shown = button.parentElement.querySelector("code, pre");
    if (shown) getSelection().selectAllChildren(shown);
    done = "Selected";
  }
  button.dataset.done = done;
  say(done === "Copied" ? "Copied." : "Selected; press Ctrl+C to copy.");
  setTimeout(() => delete button.dataset.done, 1500);
}
