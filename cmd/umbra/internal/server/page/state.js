// What is kept in the browser: the conversation, the documents, and the settings.

const name = "umbra";

// chat has messages of user and assistant, complete has documents of a given and a made text. Both may have stats and a problem.
const empty = () => ({ view: "", mode: "chat", system: "", sampling: {}, chat: [], complete: [] });

export const state = load();

function load() {
  try {
    const kept = JSON.parse(localStorage.getItem(name));
    if (kept && Array.isArray(kept.chat) && Array.isArray(kept.complete)) return { ...empty(), ...kept };
  } catch { /* no storage, or not ours */ }
  return empty();
}

// save keeps the state, if the browser lets it and has room.
export function save() {
  try { localStorage.setItem(name, JSON.stringify(state)); } catch { /* it lasts as long as the page */ }
}

// sampler settings: what they are called, their range, and what they are if nobody says.
export const fields = [
  { name: "temperature", label: "Temperature", from: 0, to: 2, step: 0.05, usual: 0.8, note: "0 takes the likeliest token each time." },
  { name: "top_k", label: "Top-k", from: 0, to: 200, step: 1, usual: 40, note: "Draw from the k likeliest; 0 from all." },
  { name: "top_p", label: "Top-p", from: 0, to: 1, step: 0.01, usual: 0.95, note: "Draw from the fewest that reach p together." },
  { name: "min_p", label: "Min-p", from: 0, to: 1, step: 0.01, usual: 0.05, note: "Draw from those at least p times as likely as the first." },
  { name: "repeat_penalty", label: "Repeat penalty", from: 1, to: 2, step: 0.01, usual: 1, note: "Above 1: weaken the last 64 tokens." },
  { name: "max_tokens", label: "Max tokens", from: 1, to: 4096, step: 1, usual: 512, note: "Where an answer ends at the latest." },
  { name: "seed", label: "Seed", step: 1, note: "Same seed, same text. Empty: another each time." },
];

// sampling is what a request says of it.
export function sampling() {
  const all = { repeat_last_n: 64 };
  for (const f of fields) {
    const value = state.sampling[f.name] ?? f.usual;
    if (value !== undefined) all[f.name] = value;
  }
  return all;
}
