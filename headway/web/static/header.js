// The line at the top: which site, the one address to call, and whether the gateway answers there.

import { copyable } from "./copy.js";
import { h } from "./dom.js";
import { status } from "./words.js";

const GATEWAY = { ready: "Gateway ready", starting: "Gateway starting", failed: "Gateway failed" };

export function header({ site, gateway, control }) {
  return [
    h("span", { class: "site" }, `${site.name}`, h("span", { class: "muted" }, ` ${site.kind === site.name ? "" : site.kind}`)),
    h("span", { class: "gateway" },
      status(gateway.state, GATEWAY[gateway.state] ?? gateway.state),
      gateway.address ? copyable(gateway.address, "the gateway's address") : h("span", { class: "muted" }, "no address yet")),
    gateway.state !== "ready" && gateway.message && h("span", { class: "trouble" }, gateway.message),
    h("span", { class: "version muted" }, `v${control.version}`),
  ];
}
