// The page: each Snapshot is drawn whole; between Snapshots the clock and the charts go on.

import { charts, sample } from "./charts.js";
import { decisions } from "./decisions.js";
import { h, render } from "./dom.js";
import { header } from "./header.js";
import { announce, say } from "./live.js";
import { machine } from "./machine.js";
import { models } from "./models.js";
import { begin, offer, talked } from "./playground.js";
import { snippets } from "./snippets.js";
import { follow } from "./stream.js";
import { clock, word } from "./words.js";

const part = (id) => document.getElementById(id);
let state = null;
let lag = 0; // seconds this clock is behind the control process's
let connected = false;
let origin = null; // of the gateway when the page was loaded: the only one it may call

const now = () => (connected || !state ? Date.now() / 1000 + lag : state.at);

function draw() {
  if (!state) return;
  render(part("head"), header(state));
  render(part("models"), models(state, now(), draw));
  render(part("decisions"), decisions(state.decisions, draw));
  render(part("machine"), machine(state, now()));
  render(part("code"), snippets(state, draw));
  drawCharts();
}

function drawCharts() {
  const { gateway } = state;
  const wide = part("charts").clientWidth;
  const across = wide >= 640 ? (wide - 24) / 2 : wide;
  render(part("charts"), charts(gateway, Date.now() / 1000 + lag, Math.floor(across)));
  render(part("totals"), `${gateway.requests_total.toLocaleString("en")} requests since the gateway started, ${gateway.failures_total.toLocaleString("en")} failed`);
}

function take(snapshot) {
  state = snapshot;
  lag = snapshot.at - Date.now() / 1000;
  if (!connected) render(part("banner"));
  connected = true;
  document.body.dataset.contact = "live";
  document.body.dataset.models = state.models.length;
  const ready = state.models.filter((model) => model.state === "ready").length;
  document.title = `${ready} of ${state.models.length} ready · Headway`;
  announce(state.models, word);
  stayOnGateway();
  offer(state);
  draw();
}

// The page was served with leave to call one gateway address; after a change it has to be served again.
function stayOnGateway() {
  const address = state.gateway.address;
  const current = address && new URL(address).origin;
  origin ??= current;
  if (current && current !== origin && !talked()) location.reload();
}

function lost() {
  if (connected || !state) say("The control process is not answering.");
  connected = false;
  document.body.dataset.contact = "lost";
  render(part("banner"), h("p", null, h("strong", null, "The control process is not answering. "),
    "The gateway and the models may still be serving. ",
    state ? `What is shown is from ${clock(state.at)}. ` : "",
    "Trying again; ", h("code", null, "headway up"), " starts it and takes up what runs."));
}

function tick() {
  if (!state) return;
  sample(Date.now() / 1000 + lag, connected ? state.gateway : null);
  if (connected) draw();
  else drawCharts();
}

begin();
follow(take, lost);
setInterval(tick, 1000);
addEventListener("resize", () => state && drawCharts());
