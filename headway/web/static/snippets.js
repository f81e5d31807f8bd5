// The same request from a terminal and from Python, with the address and the model filled in.

import { copyButton } from "./copy.js";
import { h } from "./dom.js";

const LANGUAGES = ["curl", "Python"];
let language = LANGUAGES[0];
let chosen = "";

const CALLS = {
  chat: { path: "chat/completions", field: "messages", value: [{ role: "user", content: "What is the capital of France?" }] },
  completion: { path: "completions", field: "prompt", value: "The capital of France is" },
  embedding: { path: "embeddings", field: "input", value: "The capital of France is Paris." },
};

const PYTHON = {
  chat: ["client.chat.completions.create", "print(answer.choices[0].message.content)"],
  completion: ["client.completions.create", "print(answer.choices[0].text)"],
  embedding: ["client.embeddings.create", "print(answer.data[0].embedding)"],
};

export function snippets({ gateway, models }, redraw) {
  const model = models.find(({ name }) => name === chosen) ?? models[0] ?? { name: "MODEL", task: "chat" };
  const base = gateway.address || "http://HOST:PORT/v1";
  const text = language === "curl" ? curl(base, model) : python(base, model);
  const pick = (name) => () => {
    language = name;
    redraw();
  };
  const choose = (event) => {
    chosen = event.currentTarget.value;
    redraw();
  };
  return [
    h("div", { key: "choice", class: "choice" },
      h("div", { class: "segments", role: "group", "aria-label": "Language" },
        LANGUAGES.map((name) => h("button", { "aria-pressed": String(name === language), onclick: pick(name) }, name))),
      models.length > 1 && h("select", { "aria-label": "Model of the example", onchange: choose },
        models.map(({ name }) => h("option", { key: name, value: name }, name))),
      copyButton(text, "the example")),
    h("pre", { key: "text", tabindex: 0, "aria-label": `Example in ${language}` }, text),
  ];
}

const call = (model) => CALLS[model.task] ?? CALLS.chat;
const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

// JSON on one line, spaced as Python is. No string of JSON holds a line break, so only the layout is touched.
function literal(value) {
  return JSON.stringify(value, null, 1).replace(/([[{])\n\s*/g, "$1").replace(/\n\s*([\]}])/g, "$1").replace(/\n\s*/g, " ");
}

function curl(base, model) {
  const { path, field, value } = call(model);
  const body = JSON.stringify({ model: model.name, [field]: value });
  return `curl ${quoted(`${base}/${path}`)} \\\n  -H 'Content-Type: application/json' \\\n  -d ${quoted(body)}`;
}

function python(base, model) {
  const { field, value } = call(model);
  const [create, show] = PYTHON[model.task] ?? PYTHON.chat;
  return [
    "from openai import OpenAI",
    "",
    `client = OpenAI(base_url=${JSON.stringify(base)}, api_key="none")`,
    `answer = ${create}(`,
    `    model=${JSON.stringify(model.name)},`,
    `    ${field}=${literal(value)},`,
    ")",
    show,
  ].join("\n");
}
