// The live view: what the scheduler does, as /live tells.

import { ask, events } from "./api.js";
import { $, make } from "./dom.js";
import { color, drawMap, drawRate, drawSteps, hovered } from "./draw.js";

const seconds = 60, samples = 2 * seconds, most = 48;

let watching = null; // the controller of the stream
let latest = null; // snapshot
let steps = []; // the latest, oldest first
let rates = new Array(samples).fill(0);
let counted = null; // tokens when the last sample was taken
let timer = 0;

// watch begins or ends the stream. Nothing is asked for while nobody looks.
export function watch(on) {
  if (on === (watching !== null)) return;
  if (on) {
    watching = new AbortController();
    counted = null;
    timer = setInterval(sample, 1000 / (samples / seconds));
    follow(watching.signal);
  } else {
    watching.abort();
    watching = null;
    clearInterval(timer);
    said("off");
  }
}

// redraw draws what is known again, in another size or other colors.
export function redraw() {
  if (watching && latest) draw();
}

function said(text, state) {
  $("live-state").textContent = text;
  delete $("live-state").dataset.on;
  delete $("live-state").dataset.lost;
  if (state) $("live-state").dataset[state] = "";
}

async function follow(signal) {
  for (let wait = 500; !signal.aborted; wait = Math.min(2 * wait, 8000)) {
    try {
      said("connecting");
      const response = await ask("/live", { signal });
      said("on", "on");
      for await (const snapshot of events(response)) {
        wait = 500;
        take(snapshot);
      }
      if (!signal.aborted) said("the server has ended", "lost");
    } catch (e) {
      if (signal.aborted) return;
      said(e.status ? e.message : "no connection", "lost");
    }
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

function take(snapshot) {
  if (latest && snapshot.steps < latest.steps) { // another server
    steps = [];
    counted = null;
  }
  const seen = steps.at(-1)?.number ?? 0;
  steps.push(...snapshot.latest.filter((s) => s.number > seen));
  steps = steps.slice(-most);
  latest = snapshot;
  counted ??= { tokens: snapshot.tokens, at: performance.now() };
  requestAnimationFrame(draw);
}

// sample takes a point of the curve, whether there is news or not.
function sample() {
  if (!latest || !counted) return;
  const at = performance.now();
  rates.push((latest.tokens - counted.tokens) / (at - counted.at) * 1000);
  rates = rates.slice(-samples);
  counted = { tokens: latest.tokens, at };
  drawCurve();
}

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const percent = (a, b) => (b ? `${Math.round(100 * a / b)} %` : "–");
const span = (us) => (us < 1e6 ? `${(us / 1000).toFixed(1)} ms` : `${(us / 1e6).toFixed(1)} s`);
const nameOf = (q) => q.answer ? `${q.id}.${q.answer}` : `${q.id}`;

// drawCurve shows rates over a second and a half each: steps and snapshots beat against each other.
function drawCurve() {
  const smooth = rates.map((r, i) => (r + (rates[i - 1] ?? 0) + (rates[i - 2] ?? 0)) / 3), now = smooth.at(-1);
  $("tile-rate").textContent = now < 100 ? now.toFixed(1) : whole.format(now);
  $("rate-peak").textContent = `last minute, peak ${whole.format(Math.max(...smooth))}`;
  drawRate($("rate"), smooth, seconds);
}

function draw() {
  const s = latest;
  $("tile-running").textContent = s.running;
  $("tile-waiting").textContent = s.waiting;
  $("tile-kv").textContent = percent(s.blocks - s.blocks_free, s.blocks);
  $("tile-prefix").textContent = percent(s.prefix_hits, s.prefix_queries);
  $("tile-last-name").textContent = s.proposed ? "proposals kept" : "preemptions";
  $("tile-last").textContent = s.proposed ? percent(s.accepted, s.proposed) : s.preemptions;
  drawCurve();
  const last = steps.at(-1);
  $("step-last").textContent = last ? `#${last.number}: ${last.shares.reduce((n, [, , rows]) => n + rows, 0)} rows, ${span(last.us)}` : "none yet";
  drawSteps($("steps"), steps, most);
  maps(s);
  $("sequences").replaceChildren(...s.sequences.map(row));
  $("sequences-none").hidden = s.sequences.length > 0;
}

// row tells of a sequence.
function row(q) {
  const dot = make("i");
  dot.style.background = color(q.id, q.answer);
  const bar = make("span", { className: "bar" });
  for (const [className, n] of [["prompt", Math.min(q.prompt, q.computed)], ["", q.computed]]) {
    const part = make("b", { className });
    part.style.width = `${100 * n / Math.max(1, q.most)}%`;
    part.style.background = color(q.id, q.answer);
    if (n > 0) bar.prepend(part);
  }
  const more = [q.cached ? `${q.cached} from the cache` : "", q.preemptions ? `preempted ${q.preemptions}×` : "", q.priority ? `priority ${q.priority}` : ""].filter(Boolean);
  return make("tr", { title: [`prompt ${q.prompt}, computed ${q.computed}, at most ${q.most}`, ...more].join(", ") },
    make("td", {}, dot, nameOf(q)), make("td", { className: "state" }, q.state), make("td", {}, `${q.tokens} of ${q.most}`, bar),
    make("td", {}, `${q.rows}`), make("td", {}, `${q.blocks}`));
}

// maps has a figure for each pool of blocks.
function maps(s) {
  while ($("maps").children.length > s.maps.length) $("maps").lastChild.remove();
  s.maps.forEach((m, i) => {
    const figure = $("maps").children[i] ?? $("maps").appendChild(pool());
    const held = m.blocks - m.free - m.known;
    const per = m.per_cell > 1 ? `, ${m.per_cell} a cell` : "";
    figure.querySelector("b").textContent = s.maps.length > 1 ? `KV blocks, group ${i + 1}` : "KV blocks";
    figure.querySelector("figcaption span").textContent = `${held} of ${m.blocks} held, ${m.shared} shared, ${m.known} remembered${per}`;
    const canvas = figure.querySelector("canvas");
    canvas.setAttribute("aria-label", figure.querySelector("figcaption").textContent);
    Object.assign(canvas.dataset, { blocks: m.blocks, held, shared: m.shared, known: m.known });
    drawMap(canvas, m, s.sequences);
  });
}

// pool is a figure that tells of the block under the pointer.
function pool() {
  const canvas = make("canvas");
  canvas.setAttribute("role", "img");
  const tip = make("span", { className: "tip", hidden: true });
  const figure = make("figure", { className: "map" }, make("figcaption", {}, make("b", {}), make("span")), canvas, tip);
  canvas.addEventListener("pointermove", (e) => {
    const cell = hovered(canvas, e.offsetX, e.offsetY);
    tip.hidden = !cell;
    if (!cell) return;
    const q = latest.sequences[cell.owner - 3];
    const who = ["free", "remembered", "lent"][cell.owner] ?? (q ? `of sequence ${nameOf(q)}` : "held");
    tip.textContent = `block ${cell.block}: ${who}${cell.holders > 1 ? `, ${cell.holders} hold it` : ""}`;
    tip.style.left = `${Math.min(Math.max(e.offsetX, 80), canvas.clientWidth - 80)}px`;
    tip.style.top = `${canvas.offsetTop + e.offsetY - 8}px`;
  });
  canvas.addEventListener("pointerleave", () => { tip.hidden = true; });
  return figure;
}
