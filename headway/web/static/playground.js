// The chat: a conversation kept in this page only, one streamed answer at a time.

import { copyable } from "./copy.js";
import { h, render } from "./dom.js";
import { say } from "./live.js";
import { answer } from "./openai.js";
import { figure, milliseconds, plural, word } from "./words.js";

const part = (id) => document.getElementById(id);
const turns = []; // {asked, system, path, text, thought, error, requestId, ttft, tokens, rate, finish, state}
let offered = []; // models that can be talked to
let base = "";
let stopping = null; // the AbortController of the answer that streams now
let drawing = 0;
let moved = false; // the page may connect only to the gateway whose address it was served with

const SHORTEST = 0.05; // seconds: a rate over less says nothing
const MOVED = "The gateway's address has changed since this page was loaded.";

export const talked = () => turns.length > 0;

export function offer(state) {
  base = state.gateway.address;
  offered = state.models.filter((model) => model.task !== "embedding");
  const name = (model) => (model.state === "ready" ? model.name : `${model.name} (${word(model.state).toLowerCase()})`);
  render(part("model"), offered.map((model) => h("option", { key: model.name, value: model.name }, name(model))));
  controls();
}

export function begin() {
  part("chat").addEventListener("submit", (event) => {
    event.preventDefault();
    if (!stopping) ask(part("prompt").value.trim());
  });
  part("prompt").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    part("chat").requestSubmit();
  });
  part("model").addEventListener("change", controls);
  part("stop").addEventListener("click", () => stopping?.abort());
  part("clear").addEventListener("click", () => {
    turns.length = 0;
    draw();
    part("prompt").focus();
  });
  document.addEventListener("securitypolicyviolation", (event) => {
    if (event.effectiveDirective !== "connect-src") return;
    moved = true;
    draw();
  });
  draw();
}

const chosen = () => offered.find((model) => model.name === part("model").value);

function controls() {
  const model = chosen();
  const completes = model?.task === "completion";
  part("send").hidden = Boolean(stopping);
  part("stop").hidden = !stopping;
  part("send").disabled = !model || !base;
  part("clear").disabled = Boolean(stopping) || !turns.length;
  part("system-field").hidden = completes;
  part("prompt").placeholder = !model ? "No model to talk to yet" : completes ? "A text to be continued" : "Ask something";
}

async function ask(text) {
  const model = chosen();
  if (!text || !model) return;
  const turn = { asked: text, model: model.name, path: "", text: "", thought: "", pieces: 0, state: "streaming", sent: performance.now() };
  const body = request(turn, model);
  turns.push(turn);
  part("prompt").value = "";
  stopping = new AbortController();
  draw(true);
  try {
    for await (const piece of answer(base, turn.path, body, stopping.signal)) take(turn, piece);
    turn.state = "done";
  } catch (error) {
    turn.state = stopping.signal.aborted ? "stopped" : "failed";
    if (turn.state === "failed") turn.error = error.message;
    turn.requestId ||= error.requestId;
  }
  stopping = null;
  say(turn.state === "failed" ? `The answer failed: ${turn.error}` : `Answer ${turn.state}: ${turn.text}`);
  draw();
}

function request(turn, model) {
  const common = {
    model: model.name,
    temperature: part("temperature").valueAsNumber,
    max_tokens: part("max-tokens").valueAsNumber,
    stream: true,
    stream_options: { include_usage: true },
  };
  if (model.task === "completion") {
    turn.path = "/completions";
    return { ...common, prompt: turn.asked };
  }
  turn.path = "/chat/completions";
  const system = part("system").value.trim();
  const messages = system ? [{ role: "system", content: system }] : [];
  for (const before of turns) {
    if (before.path !== turn.path || !before.text) continue; // a turn without an answer is no part of the talk
    messages.push({ role: "user", content: before.asked }, { role: "assistant", content: before.text });
  }
  return { ...common, messages: [...messages, { role: "user", content: turn.asked }] };
}

function take(turn, { requestId, text, thought, tokens, finish }) {
  if (requestId) turn.requestId = requestId;
  if (finish) turn.finish = finish;
  if (text || thought) {
    turn.last = performance.now();
    turn.first ??= turn.last;
    turn.pieces += 1;
    turn.text += text ?? "";
    turn.thought += thought ?? "";
  }
  turn.tokens = tokens ?? turn.pieces;
  if (!drawing) drawing = requestAnimationFrame(() => draw());
}

function draw(follow = false) {
  cancelAnimationFrame(drawing);
  drawing = 0;
  const log = part("log");
  const atEnd = follow || log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  log.setAttribute("aria-busy", String(Boolean(stopping)));
  render(log, turns.length ? turns.map(exchange) : h("p", { class: "muted hint" }, "The conversation stays in this page and ends with it."));
  if (atEnd) log.scrollTop = log.scrollHeight;
  controls();
}

function exchange(turn, i) {
  return h("div", { key: i, class: `turn ${turn.state}` },
    h("p", { class: "asked" }, turn.asked),
    turn.thought && h("details", { key: "thought" }, h("summary", null, "Thoughts"), h("p", { class: "thought" }, turn.thought)),
    h("div", { key: "answer", class: "answer" }, fences(turn.text)),
    turn.error && h("p", { key: "error", class: "error", role: "alert" }, moved ? MOVED : turn.error, " ",
      h("button", { type: "button", class: "plain", onclick: () => (moved ? location.reload() : again(turn)) }, moved ? "Reload" : "Ask again")),
    h("p", { key: "facts", class: "measures muted" }, measures(turn)));
}

// Text between ``` fences is code; all else is shown as it came.
function fences(text) {
  return text.split(/^```.*\n?/m).map((piece, i) => (i % 2 ? h("pre", { key: i }, piece) : piece && h("p", { key: i }, piece)));
}

function measures(turn) {
  const seconds = (turn.last - turn.first) / 1000;
  const rate = turn.tokens > 1 && seconds > SHORTEST ? (turn.tokens - 1) / seconds : null;
  return [
    h("span", null, turn.model),
    turn.first && h("span", { class: "ttft", title: "Time to first token" }, `TTFT ${milliseconds(turn.first - turn.sent)}`),
    rate && h("span", { class: "rate" }, `${figure(rate)} tokens/s`),
    turn.first && h("span", null, plural(turn.tokens, "token")),
    turn.state === "streaming" && !turn.first && h("span", null, "waiting for the first token"),
    turn.state === "stopped" && h("span", null, "stopped by you"),
    turn.finish === "length" && h("span", null, "ended at max tokens"),
    turn.requestId && copyable(turn.requestId, "the request id"),
  ];
}

function again(turn) {
  if (stopping) return;
  turns.splice(turns.indexOf(turn), 1);
  ask(turn.asked);
}

