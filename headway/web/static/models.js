// Models with their Replicas: state, why, what to do next, and how far long work is.

import { copyable } from "./copy.js";
import { h } from "./dom.js";
import { bytes, figure, plural, reason, span, status } from "./words.js";

const STAGES = { resolve: "Resolving", download: "Downloading", build: "Building", convert: "Converting", verify: "Verifying", load: "Loading" };
const open = new Set(); // Replicas whose details are shown

export function models(state, now, redraw) {
  if (!state.models.length) return empty();
  return state.models.map((model) => card(model, now, redraw));
}

function empty() {
  const say = (command, what) => h("li", null, copyable(command, command), h("span", { class: "muted" }, what));
  return h("div", { key: "empty", class: "empty" },
    h("h3", null, "No models yet"),
    h("p", null, "Type one of these in a terminal. The model appears here while it is being fetched and started."),
    h("ul", null,
      say("headway up smollm2-135m-instruct", "a small chat model, about 100 MB, runs on any CPU"),
      say("headway up examples/chat.yaml", "the same, from a file that you can edit"),
      say("headway doctor", "what this machine has, and what is missing")));
}

function card(model, now, redraw) {
  const facts = [model.task, model.engine, model.source].filter(Boolean);
  return h("article", { key: `model/${model.name}`, class: "model", "aria-label": `Model ${model.name}` },
    h("header", null,
      h("h3", null, model.name),
      status(model.state),
      h("span", { class: "muted" }, `${model.replicas_ready} of ${plural(model.replicas_wanted, "replica")} ready, for ${span(now - model.since)}`)),
    h("p", { class: "facts" }, facts.map((fact) => h("span", null, fact)),
      model.revision && h("span", { title: "Revision: hash of all that decides what runs" }, "revision ", h("code", null, model.revision))),
    why(model, model.state !== "ready"),
    model.progress && bar(model.progress),
    model.replicas.length > 0 && replicas(model, now, redraw),
    derived(model.derived, "Derived values"));
}

function why(object, show) {
  if (!show || !(object.message || object.reason)) return null;
  return h("p", { class: "why" },
    h("strong", { title: object.reason }, reason(object.reason)),
    object.message && [": ", object.message],
    object.next_action && h("span", { class: "next" }, h("b", null, "Next: "), object.next_action));
}

function bar(progress) {
  const { stage, label, done, total, unit, eta } = progress;
  const say = unit === "bytes" ? bytes : figure;
  const known = typeof total === "number" && total > 0;
  const much = known ? `${say(done)} of ${say(total)}${unit === "steps" ? " steps" : ""}` : done > 0 ? say(done) : "";
  const left = typeof eta === "number" ? `about ${span(eta)} left` : "";
  const title = `${STAGES[stage] ?? stage}${label ? `: ${label}` : ""}`;
  return h("div", { class: "bar" },
    h("span", null, title),
    h("span", { class: "muted" }, [much, left].filter(Boolean).join(", ")),
    h("progress", { key: known ? "known" : "unknown", max: known ? total : null, value: known ? Math.min(done, total) : null, "aria-label": title }));
}

const COLUMNS = ["Replica", "State", "PID", "Threads", "Memory", "Requests", "Restarts", "Since", ""];

function replicas(model, now, redraw) {
  return h("table", { key: "replicas", class: "replicas" },
    h("thead", null, h("tr", null, COLUMNS.map((name) => h("th", { scope: "col" }, name || h("span", { class: "unseen" }, "Details"))))),
    model.replicas.map((replica) => row(replica, model, now, redraw)));
}

function row(replica, model, now, redraw) {
  const key = `${model.name}/${replica.name}`;
  const shown = open.has(key);
  const toggle = () => {
    if (!open.delete(key)) open.add(key);
    redraw();
  };
  const cells = [
    status(replica.state), replica.pid ?? "–", replica.threads || "–", replica.memory_bytes ? bytes(replica.memory_bytes) : "–",
    load(replica.signals), replica.restarts, span(now - replica.since),
  ];
  const silent = replica.state === "ready" || (model.message === replica.message && model.reason === replica.reason);
  const more = [why(replica, !silent), replica.progress && !model.progress && bar(replica.progress), shown && details(replica)].filter(Boolean);
  return h("tbody", { key },
    h("tr", null,
      h("th", { scope: "row" }, replica.name),
      cells.map((cell, i) => h("td", { "data-label": COLUMNS[i + 1] }, cell)),
      h("td", { class: "end" }, h("button", { class: "plain", "aria-expanded": String(shown), "aria-label": `Details of ${replica.name}`, onclick: toggle }, shown ? "Less" : "More"))),
    more.length > 0 && h("tr", { class: "more" }, h("td", { colspan: COLUMNS.length }, more)));
}

function load(signals) {
  if (typeof signals?.running !== "number") return "–";
  return signals.waiting ? `${signals.running} + ${signals.waiting} waiting` : `${signals.running} running`;
}

function details(replica) {
  const { signals } = replica;
  const facts = [
    ["Address", replica.address], ["Revision", replica.revision], ["GPUs", replica.gpus.join(", ")],
    ["KV cache used", typeof signals?.kv_used === "number" ? `${Math.round(signals.kv_used * 100)} %` : ""],
    ["Tokens generated", typeof signals?.generated_tokens === "number" ? figure(signals.generated_tokens) : ""],
    ["Message", replica.message], ["Log", replica.log],
  ];
  return h("div", { key: "details" },
    h("dl", null, facts.filter(([, value]) => value).map(([name, value]) => [h("dt", null, name), h("dd", null, value)])),
    derived(replica.derived, "Derived values"));
}

function derived(values, title) {
  const entries = Object.entries(values);
  if (!entries.length) return null;
  return h("details", { key: "derived" }, h("summary", null, title),
    h("dl", null, entries.map(([name, because]) => [h("dt", null, name), h("dd", null, because)])));
}
