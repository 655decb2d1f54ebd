// The page: views, what the server has, and the parts.

import { ask } from "./api.js";
import { chat, serve, show } from "./chat.js";
import { $ } from "./dom.js";
import { redraw, watch } from "./live.js";
import { settings } from "./settings.js";
import { save, state } from "./state.js";

const narrow = matchMedia("(max-width: 860px)");

// view shows a part: beside the conversation, or instead of it where that is all there is room for.
function view(name) {
  document.body.dataset.view = state.view = name;
  for (const b of document.querySelectorAll("nav button")) b.setAttribute("aria-pressed", b.dataset.view === name);
  save();
  look();
}

// look watches the scheduler while the live view is to be seen.
function look() { watch(state.view === "live" && document.visibilityState === "visible"); }

// failed shows where the key goes, if that is what is wrong.
function failed(e) {
  if (e.status !== 401) return;
  $("key-field").hidden = false;
  view("settings");
  $("key").focus();
}

async function connect() {
  try {
    const props = await (await ask("/props")).json();
    $("model-name").textContent = props.model;
    $("model-facts").textContent = [props.architecture, props.adapter, `context ${props.default_generation_settings.n_ctx}`, `KV ${props.kv_type}`].join(" · ");
    $("model").title = $("model-facts").textContent;
    document.title = `${props.model} · umbra`;
    serve(props);
  } catch (e) {
    $("model-name").textContent = e.status === 401 ? "a key is needed" : "no connection";
    $("model-facts").textContent = e.message;
    failed(e);
    if (e.status !== 401) setTimeout(connect, 3000);
  }
}

for (const b of document.querySelectorAll("nav button")) {
  b.addEventListener("click", () => view(state.view === b.dataset.view ? "chat" : b.dataset.view));
}
document.addEventListener("visibilitychange", look);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
new ResizeObserver(redraw).observe($("live"));

chat(failed);
settings(connect);
show();
view(narrow.matches ? "chat" : state.view || "live");
connect();
