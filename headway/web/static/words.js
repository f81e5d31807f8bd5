// How values are said: states as a word, a tone and a shape; numbers with their units; codes as words.

import { h } from "./dom.js";

const STATES = {
  ready: ["Ready", "good", "disc"],
  degraded: ["Degraded", "warn", "half"],
  preparing: ["Preparing", "busy", "arrow"],
  starting: ["Starting", "busy", "arc"],
  pending: ["Pending", "warn", "ring"],
  backoff: ["Waiting to restart", "warn", "triangle"],
  draining: ["Draining", "idle", "square"],
  stopping: ["Stopping", "idle", "square"],
  failed: ["Failed", "bad", "cross"],
};

const SHAPES = {
  disc: () => h("circle", { cx: 6, cy: 6, r: 5, fill: "currentColor" }),
  half: () => [ring(), h("path", { d: "M6 1a5 5 0 0 0 0 10z", fill: "currentColor" })],
  arrow: () => line("M6 1v6.5M3 5l3 3 3-3M1.5 11h9"),
  arc: () => h("g", { class: "turns" }, line("M6 1.5A4.5 4.5 0 1 1 1.5 6")),
  ring: () => ring(),
  triangle: () => h("path", { d: "M6 .8 11.6 11H.4z", fill: "currentColor" }),
  square: () => h("rect", { x: 1.5, y: 1.5, width: 9, height: 9, rx: 1, fill: "none", stroke: "currentColor", "stroke-width": 2 }),
  cross: () => line("M2 2l8 8M10 2l-8 8"),
};

const ring = () => h("circle", { cx: 6, cy: 6, r: 4.5, fill: "none", stroke: "currentColor", "stroke-width": 2 });
const line = (d) => h("path", { d, fill: "none", stroke: "currentColor", "stroke-width": 2, "stroke-linecap": "round", "stroke-linejoin": "round" });

export const word = (state) => STATES[state]?.[0] ?? state;

export function status(state, text) {
  const [name, tone, shape] = STATES[state] ?? [state, "idle", "ring"];
  const mark = h("svg", { key: shape, viewBox: "0 0 12 12", "aria-hidden": "true" }, SHAPES[shape]());
  return h("span", { class: `status ${tone}` }, mark, h("span", null, text ?? name));
}

// "NotEnoughMemory" -> "Not enough memory": the closed list of reasons, readable.
export function reason(code) {
  const words = code.replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase().replace(/\bgpu\b/g, "GPU");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export function bytes(count) {
  for (const [unit, size] of [["TB", 1e12], ["GB", 1e9], ["MB", 1e6], ["kB", 1e3]]) {
    if (count >= size * 0.9995) return `${figure(count / size)} ${unit}`;
  }
  return `${Math.round(count)} B`;
}

export function figure(value) {
  if (!Number.isFinite(value)) return "?";
  const digits = Math.abs(value) >= 100 || Number.isInteger(value) ? 0 : 1;
  return value.toLocaleString("en", { maximumFractionDigits: digits });
}

export function span(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

export const plural = (count, one, many = `${one}s`) => `${figure(count)} ${count === 1 ? one : many}`;

export const milliseconds = (ms) => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

export const clock = (at) => new Date(at * 1000).toLocaleTimeString("en", { hour12: false });

export const instant = (at) => new Date(at * 1000).toISOString();

// A value from a Decision's numbers: its key's unit decides how it reads.
export function quantity(key, value) {
  if (typeof value !== "number") return typeof value === "object" ? JSON.stringify(value) : String(value);
  if (/bytes$/.test(key)) return bytes(value);
  if (/seconds$/.test(key)) return `${figure(value)} s`;
  return value.toLocaleString("en", { maximumSignificantDigits: 6 });
}
