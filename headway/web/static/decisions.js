// What the control loop and the site decided, newest first: the action, the reason, and the numbers behind it.

import { h } from "./dom.js";
import { clock, instant, quantity, reason, span } from "./words.js";

const FEW = 8;
let all = false;

export function decisions(list, redraw) {
  if (!list.length) return h("p", { class: "muted" }, "Nothing was decided yet.");
  const toggle = () => {
    all = !all;
    redraw();
  };
  const counts = new Map();
  return [
    h("ol", { key: "list", class: "decisions" }, (all ? list : list.slice(0, FEW)).map((decision) => entry(decision, counts))),
    list.length > FEW && h("button", { key: "all", class: "plain", "aria-expanded": String(all), onclick: toggle }, all ? "Show fewer" : `Show all ${list.length}`),
  ];
}

function entry(decision, counts) {
  const { at, object, action, message, numbers, look_again: again } = decision;
  const same = `${at}/${object}/${action}/${decision.reason}`;
  counts.set(same, (counts.get(same) ?? 0) + 1);
  const figures = Object.entries(numbers);
  return h("li", { key: `${same}/${counts.get(same)}` },
    h("time", { datetime: instant(at) }, clock(at)),
    h("div", null,
      h("p", null, h("b", { class: `action ${action}` }, action), " ", h("span", { class: "object" }, object), " ",
        h("span", { class: "muted", title: decision.reason }, reason(decision.reason).toLowerCase().replace("gpu", "GPU"))),
      figures.length || again !== null
        ? h("details", null, h("summary", { title: "Show the numbers behind it" }, message || "Numbers"),
          h("dl", null,
            figures.map(([name, value]) => [h("dt", null, name), h("dd", null, quantity(name, value))]),
            again !== null && [h("dt", null, "looks again"), h("dd", null, `after ${span(again)}`)]))
        : h("p", null, message)));
}
