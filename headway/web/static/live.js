// What a screen reader is told: changes of state only, one polite line at a time.

export function say(text) {
  document.getElementById("live").textContent = text;
}

const seen = new Map();

export function announce(models, word) {
  const changes = models.filter((model) => seen.get(model.name) !== model.state);
  const first = seen.size === 0;
  seen.clear();
  for (const model of models) seen.set(model.name, model.state);
  if (changes.length && !first) say(changes.map((model) => `Model ${model.name}: ${word(model.state)}.`).join(" "));
}
