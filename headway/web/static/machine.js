// What the site has and what is free of it.

import { h } from "./dom.js";
import { bytes, span } from "./words.js";

export function machine({ site, control, gateway }, now) {
  const fact = (name, value) => [h("dt", null, name), h("dd", null, value)];
  return [
    share("Memory", site.free_memory_bytes, site.memory_bytes),
    site.accelerators.map((a) => share(a.profile ? `${a.product}, ${a.profile}` : a.product, a.free_bytes, a.memory_bytes, a.uuid)),
    h("dl", { key: "facts" },
      fact("Cores", site.cores),
      !site.accelerators.length && fact("Accelerators", "none found"),
      fact("Control process", `pid ${control.pid}, up ${span(now - control.started_at)}`),
      gateway.pid && fact("Gateway", `pid ${gateway.pid}, routing table ${gateway.table_version}`),
      fact("State directory", control.state_dir)),
    site.notes.map((note, i) => h("p", { key: `note/${i}`, class: "muted" }, note)),
  ];
}

function share(name, free, total, key = name) {
  const used = total > 0 ? Math.min(1, Math.max(0, 1 - free / total)) : 0;
  return h("div", { key: `share/${key}`, class: "share" },
    h("span", null, name),
    h("span", null, h("b", null, bytes(free)), h("span", { class: "muted" }, ` free of ${bytes(total)}`)),
    h("meter", { min: 0, max: 1, low: 0.8, high: 0.92, optimum: 0, value: used, "aria-label": `${name} used` }, `${Math.round(used * 100)} %`));
}
