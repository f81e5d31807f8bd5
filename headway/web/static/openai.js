// One streamed answer from the gateway, as any OpenAI client would ask for it. Aborting `signal` closes the
// connection; the gateway then cancels the engine's work.

const SILENCE = 300000; // longer than the gateway itself would wait
const LONGEST_EVENT = 1 << 20;

class Failure extends Error {
  constructor(message, requestId = "") {
    super(message);
    this.requestId = requestId;
  }
}

// Yields {requestId}, then {text} and {thought} as they come, {tokens} and {finish} when told.
export async function* answer(base, path, body, signal) {
  const response = await ask(`${base}${path}`, body, signal);
  const requestId = response.headers.get("x-request-id") ?? "";
  if (!response.ok) throw await refusal(response, requestId);
  yield { requestId };
  let ended = false;
  for await (const data of events(response.body, requestId)) {
    if (data === "[DONE]") return;
    const chunk = parse(data, requestId);
    if (chunk.error) throw new Failure(describe(chunk.error), requestId);
    const choice = chunk.choices?.[0];
    const text = choice?.delta?.content ?? choice?.text;
    const thought = choice?.delta?.reasoning_content ?? choice?.delta?.reasoning;
    if (thought) yield { thought };
    if (text) yield { text };
    if (choice?.finish_reason) {
      ended = true;
      yield { finish: choice.finish_reason };
    }
    if (chunk.usage) yield { tokens: chunk.usage.completion_tokens };
  }
  if (!ended) throw new Failure("The connection closed before the answer was complete.", requestId);
}

async function ask(url, body, signal) {
  const headers = { "content-type": "application/json" };
  try {
    return await fetch(url, { method: "POST", headers, body: JSON.stringify(body), signal, credentials: "omit", cache: "no-store" });
  } catch (error) {
    if (signal.aborted) throw error;
    throw new Failure(`The gateway at ${new URL(url).origin} does not answer.`);
  }
}

async function refusal(response, requestId) {
  const text = (await response.text()).slice(0, 2000);
  const after = response.headers.get("retry-after");
  const again = after ? `. Try again in ${after} s.` : "";
  try {
    return new Failure(`${describe(JSON.parse(text).error)}${again}`, requestId);
  } catch {
    return new Failure(`The gateway answered ${response.status}: ${text.trim() || response.statusText}${again}`, requestId);
  }
}

function describe({ message, code, type }) {
  const tag = code ?? type;
  return tag ? `${message} (${tag})` : message;
}

function parse(data, requestId) {
  try {
    return JSON.parse(data);
  } catch {
    throw new Failure("The gateway sent something that is not JSON.", requestId);
  }
}

async function* events(stream, requestId) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await within(reader.read(), requestId);
      if (done) return;
      rest += value.replaceAll("\r", "");
      const blocks = rest.split("\n\n");
      rest = blocks.pop();
      if (rest.length > LONGEST_EVENT) throw new Failure("The gateway sent an event without an end.", requestId);
      for (const block of blocks) {
        const lines = block.split("\n").filter((line) => line.startsWith("data:"));
        if (lines.length) yield lines.map((line) => line.slice(5).trimStart()).join("\n");
      }
    }
  } finally {
    reader.cancel().catch(() => {}); // the stream has failed already, or is over
  }
}

function within(promise, requestId) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Failure(`No token for ${SILENCE / 1000} s.`, requestId)), SILENCE);
  });
  const broken = promise.catch((error) => {
    if (error.name === "AbortError") throw error;
    throw new Failure("The connection broke before the answer was complete.", requestId);
  });
  return Promise.race([broken, late]).finally(() => clearTimeout(timer));
}
