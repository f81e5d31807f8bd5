// Two minutes of the gateway, one sample a second. Time without contact is a gap, never a guess.

import { h } from "./dom.js";
import { figure } from "./words.js";

const WINDOW = 120; // seconds
const HEIGHT = 132;
const EDGE = { left: 40, right: 6, top: 8, bottom: 22 };
const samples = []; // {at, tokens, running, waiting}; values null while there is no contact

export function sample(at, gateway) {
  const { tokens_per_second: tokens = null, running = null, waiting = null } = gateway ?? {};
  samples.push({ at, tokens, running, waiting });
  while (samples.length && samples[0].at < at - WINDOW - 2) samples.shift();
}

export function charts(gateway, now, width) {
  return [
    chart("Tokens per second", "tokens/s", now, width, [["tokens", "Generated", figure(gateway.tokens_per_second)]]),
    chart("Requests", "requests", now, width, [["running", "Running", figure(gateway.running)], ["waiting", "Waiting", figure(gateway.waiting)]]),
  ];
}

function chart(title, unit, now, width, series) {
  const peak = Math.max(0, ...samples.flatMap((s) => series.map(([name]) => s[name] ?? 0)));
  const top = ceiling(peak);
  const inner = Math.max(40, width - EDGE.left - EDGE.right);
  const x = (at) => EDGE.left + inner * (1 - (now - at) / WINDOW);
  const y = (value) => EDGE.top + (HEIGHT - EDGE.top - EDGE.bottom) * (1 - value / top);
  const spoken = `${title} over the last two minutes: ${series.map(([, name, value]) => `${name.toLowerCase()} now ${value}`).join(", ")}; highest ${figure(peak)}.`;
  return h("figure", { key: title },
    h("figcaption", null, h("span", null, title),
      series.map(([name, label, value]) => h("span", { class: `key ${name}` }, h("svg", { viewBox: "0 0 14 8", "aria-hidden": "true" }, h("path", { class: `line ${name}`, d: "M0 4h14" })), label, h("b", null, value)))),
    h("svg", { class: "plot", width, height: HEIGHT, role: "img", "aria-label": spoken },
      [0, top / 2, top].map((value) => [
        h("line", { class: "grid", x1: EDGE.left, x2: width - EDGE.right, y1: y(value), y2: y(value) }),
        h("text", { x: EDGE.left - 6, y: y(value) + 4, "text-anchor": "end" }, figure(value)),
      ]),
      [[WINDOW, "start", "2 min ago"], [WINDOW / 2, "middle", "1 min ago"], [0, "end", `now (${unit})`]].map(([ago, anchor, text]) =>
        h("text", { x: x(now - ago), y: HEIGHT - 5, "text-anchor": anchor }, text)),
      series.map(([name], i) => [
        i === 0 && h("path", { class: `area ${name}`, d: runs(name, now, x, y, true) }),
        h("path", { class: `line ${name}`, d: runs(name, now, x, y, false) }),
      ])));
}

// The path of one series: a new run after each gap; `closed` runs go down to the axis, to be filled.
function runs(name, now, x, y, closed) {
  let path = "";
  let before = null;
  const end = () => (closed && before ? `V${y(0).toFixed(1)}Z` : "");
  for (const s of samples) {
    if (s.at < now - WINDOW) continue;
    if (s[name] === null) {
      path += end();
      before = null;
      continue;
    }
    const [px, py] = [x(s.at).toFixed(1), y(s[name]).toFixed(1)];
    if (before && s.at - before.at < 5) path += `L${px} ${py}`;
    else path += `${end()}${closed ? `M${px} ${y(0).toFixed(1)}L${px} ${py}` : `M${px} ${py}`}`;
    before = s;
  }
  return path + end();
}

// The least of 2, 4, 10, 20, 40, 100, ... that holds the peak: half of it is a whole number.
function ceiling(peak) {
  for (let size = 1; ; size *= 10) {
    for (const step of [2, 4, 10]) if (peak <= step * size) return step * size;
  }
}
