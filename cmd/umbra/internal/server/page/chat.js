// Conversations and documents: what is shown of them, and what is asked for.

import { ask, events } from "./api.js";
import { $, button, copier, make } from "./dom.js";
import { markdown } from "./markdown.js";
import { sampling, save, state } from "./state.js";

const ideas = {
  chat: ["Explain paged attention in three sentences.", "Write a Go function that reverses a string.", "What is the umbra of an eclipse?"],
  complete: ["package main\n\nimport \"fmt\"\n\nfunc main() {\n", "// Reverse returns s with its runes in reverse order.\nfunc Reverse(s string) string {\n", "func TestSort(t *testing.T) {\n"],
};

let running = null; // { turn, controller } of the answer that comes
let refused = () => {}; // told of errors of requests
let template = true; // the model has one

const turns = () => state[state.mode];

// chat wires the conversation. failed is told of each request that fails.
export function chat(failed) {
  refused = failed;
  $("composer").addEventListener("submit", (e) => { e.preventDefault(); send(); });
  $("stop").addEventListener("click", stop);
  $("clear").addEventListener("click", () => { stop(); state[state.mode] = []; save(); show(); $("prompt").focus(); });
  $("prompt").addEventListener("input", fit);
  $("prompt").addEventListener("keydown", (e) => {
    if (e.key === "Enter" && !e.shiftKey && !e.isComposing) { e.preventDefault(); send(); }
  });
  document.addEventListener("keydown", (e) => { if (e.key === "Escape" && running) { e.preventDefault(); stop(); } });
  for (const radio of document.querySelectorAll("[name=mode]")) {
    radio.addEventListener("change", () => { stop(); state.mode = radio.value; save(); show(); $("prompt").focus(); });
  }
}

// serve tells what the server has: a model without a template takes no conversations.
export function serve(props) {
  template = props.chat_template !== "";
  if (!template) state.mode = "complete";
  const radio = document.querySelector("[name=mode][value=chat]");
  radio.disabled = !template;
  radio.parentElement.title = template ? "" : "The model has no chat template.";
  $("empty-title").textContent = template ? "What shall it be?" : "It goes on from what you write";
  $("empty-text").textContent = template ? `${props.model} runs on ${props.adapter}.`
    : `${props.model} has no chat template: it is no assistant, and continues text.`;
  show();
}

// show makes the page of the state.
export function show() {
  const mode = state.mode;
  document.body.dataset.mode = mode;
  document.querySelector(`[name=mode][value=${mode}]`).checked = true;
  $("system-field").hidden = mode !== "chat";
  $("prompt").placeholder = mode === "chat" ? "Say something…" : "Begin a text…";
  $("prompt-label").textContent = mode === "chat" ? "Message" : "Text to go on from";
  $("empty").hidden = turns().length > 0;
  $("clear").hidden = turns().length === 0;
  $("ideas").className = mode === "chat" ? "" : "code";
  $("ideas").replaceChildren(...ideas[mode].map((idea) => button(idea.trim().split("\n")[0], () => {
    $("prompt").value = idea;
    fit();
    $("prompt").focus();
  }, { className: "" })));
  $("turns").replaceChildren(...turns().map(element));
  busy();
  fit();
  down(true);
}

function busy() {
  $("send").hidden = running !== null;
  $("stop").hidden = running === null;
}

// fit has the field grow with its text.
function fit() {
  const field = $("prompt");
  field.style.height = "auto";
  field.style.height = field.scrollHeight + "px";
}

// down follows what is written, unless the reader has gone up.
function down(always) {
  const s = $("scroll");
  if (always || s.scrollHeight - s.scrollTop - s.clientHeight < 90) s.scrollTop = s.scrollHeight;
}

function send() {
  const text = $("prompt").value;
  if (running || !text.trim()) return;
  $("prompt").value = "";
  if (state.mode === "chat") {
    state.chat.push({ role: "user", text: text.trim() });
    answer();
  } else {
    state.complete.push({ given: text, made: "" });
    generate(state.complete.at(-1));
  }
}

// answer has the model say the next of the conversation.
function answer() {
  state.chat.push({ role: "assistant", text: "" });
  generate(state.chat.at(-1));
}

export function stop() { running?.controller.abort(); }

// request is what a turn takes: the path, the body, and how text is found in an event.
function request(turn) {
  const more = { ...sampling(), stream: true, stream_options: { include_usage: true } };
  if (turn.role === undefined) return ["/v1/completions", { ...more, prompt: turn.given + turn.made }, (c) => c.text, "made"];
  const messages = state.chat.slice(0, state.chat.indexOf(turn)).map((t) => ({ role: t.role, content: t.text }));
  if (state.system.trim()) messages.unshift({ role: "system", content: state.system });
  return ["/v1/chat/completions", { ...more, messages }, (c) => c.delta.content, "text"];
}

// generate streams what a turn lacks.
async function generate(turn) {
  delete turn.problem;
  const controller = new AbortController();
  running = { turn, controller };
  const stats = { tokens: 0, end: "" };
  turn.stats = stats;
  show();
  const start = performance.now();
  let first = 0, last = 0, due = false;
  const draw = () => {
    due = false;
    if (running?.turn === turn) update(turn);
  };
  try {
    const [path, body, textOf, part] = request(turn);
    for await (const event of events(await ask(path, { body, signal: controller.signal }))) {
      const choice = event.choices[0];
      if (event.usage) stats.tokens = event.usage.completion_tokens;
      if (choice?.finish_reason) stats.end = choice.finish_reason;
      const text = choice && textOf(choice);
      if (!text) continue;
      turn[part] += text;
      last = performance.now();
      first ||= last;
      stats.tokens++; // about, until the server tells
      stats.first = first - start;
      stats.rate = rateOf(stats.tokens, last - first);
      if (!due) due = requestAnimationFrame(draw) > 0;
    }
    stats.rate = rateOf(stats.tokens, last - first);
  } catch (e) {
    stats.end = "stopped";
    if (!controller.signal.aborted) {
      stats.end = "failed";
      turn.problem = e.message;
      refused(e);
    }
  }
  if (running?.turn === turn) running = null;
  save();
  update(turn);
  busy();
}

// rateOf is in tokens a second; the first came at the beginning. What took next to no time was held up on its way, and says nothing.
const rateOf = (tokens, ms) => (ms > 20 ? (tokens - 1) / ms * 1000 : 0);

// update shows a turn as it is now, if it is to be seen.
function update(turn) {
  const at = turns().indexOf(turn);
  if (at < 0) return;
  const old = $("turns").children[at];
  if (running?.turn === turn && old.classList.contains("running")) { // its text alone: buttons keep the focus
    fill(old.querySelector(".text"), turn);
    old.querySelector(".stats").textContent = told(turn);
  } else {
    old.replaceWith(element(turn));
  }
  down(false);
}

function fill(body, turn) {
  if (turn.role === "assistant") body.replaceChildren(markdown(turn.text));
  else if (turn.role === "user") body.textContent = turn.text;
  else body.replaceChildren(make("span", { className: "given" }, turn.given), make("span", { className: "made" }, turn.made));
}

// told is what there is to say of an answer.
function told({ stats }) {
  if (!stats) return "";
  const all = [`${stats.tokens} ${stats.tokens === 1 ? "token" : "tokens"}`];
  if (stats.rate) all.push(`${stats.rate.toFixed(1)} tokens/s`);
  if (stats.first !== undefined) all.push(`first after ${stats.first < 1000 ? stats.first.toFixed(0) + " ms" : (stats.first / 1000).toFixed(1) + " s"}`);
  const ends = { length: "cut at max tokens or context", stopped: "stopped", failed: "failed" };
  if (ends[stats.end]) all.push(ends[stats.end]);
  return all.join(" · ");
}

// element is a turn with what can be done to it.
function element(turn) {
  const kind = turn.role ?? "document";
  const active = running?.turn === turn;
  const body = make(kind === "document" ? "pre" : "div", { className: "text" });
  fill(body, turn);
  const whole = () => turn.text ?? turn.given + turn.made;
  const foot = make("div", { className: "foot" });
  const li = make("li", { className: `turn ${kind}${active ? " running" : ""}` },
    make("div", { className: "who" }, { user: "You", assistant: "Model", document: "Text" }[kind]), body);
  if (turn.problem) li.append(make("p", { className: "problem", role: "alert" }, turn.problem));
  foot.append(make("span", { className: "stats" }, told(turn)));
  if (!active) {
    foot.append(copier(whole), button("Edit", () => edit(turn, li)));
    if (kind === "document") foot.append(button("Go on", () => { if (!running) generate(turn); }));
    if (kind !== "user") foot.append(button("Regenerate", () => again(turn)));
    foot.append(button("Delete", () => { if (!running) remove(turn); }));
  }
  li.append(foot);
  return li;
}

function remove(turn, rest = false) {
  const at = turns().indexOf(turn);
  turns().splice(at, rest ? Infinity : 1);
  save();
  show();
}

// again makes an answer anew. In a conversation what came after it is gone.
function again(turn) {
  if (running) return;
  if (turn.role === undefined) {
    turn.made = "";
    generate(turn);
    return;
  }
  remove(turn, true);
  answer();
}

// edit has the reader change a turn. Of the reader's own, what came after it is made anew.
function edit(turn, li) {
  if (running) return;
  const field = make("textarea", { value: turn.text ?? turn.given + turn.made, spellcheck: false });
  field.setAttribute("aria-label", "Edited text");
  const done = () => {
    if (!field.value.trim()) return;
    if (turn.role === undefined) Object.assign(turn, { given: field.value, made: "", stats: undefined });
    else turn.text = field.value;
    if (turn.role !== "user") {
      save();
      show();
      return;
    }
    state.chat.splice(state.chat.indexOf(turn) + 1);
    answer();
  };
  field.addEventListener("keydown", (e) => {
    if (e.key === "Escape") { e.stopPropagation(); show(); }
    if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) done();
  });
  li.replaceChildren(field, make("div", { className: "foot" }, button(turn.role === "user" ? "Send" : "Save", done), button("Cancel", show)));
  field.focus();
}
