// What the live view draws on canvases.

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const hues = new Map(); // of sequences, in the order in which they were first seen
let given = 0;

// color is a sequence's. One after the other is the golden angle away, so that those at the same time are told apart.
export function color(id, answer = 0, light = 58) {
  const name = `${id}.${answer}`;
  if (!hues.has(name)) {
    hues.set(name, (28 + given++ * 137.508) % 360);
    if (hues.size > 2000) hues.delete(hues.keys().next().value);
  }
  return `hsl(${hues.get(name).toFixed(1)} 68% ${light}%)`;
}

// fresh gives a canvas as wide as its place, as high as asked for, sharp on any screen.
function fresh(canvas, height) {
  const width = canvas.clientWidth, scale = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  canvas.style.height = height + "px";
  const c = canvas.getContext("2d");
  c.scale(scale, scale);
  return [c, width];
}

function label(c, text, x, y, align = "left") {
  c.fillStyle = style("--faint");
  c.font = "10.5px " + style("--sans");
  c.textAlign = align;
  c.fillText(text, x, y);
}

// drawRate draws a curve of rates over time, the latest at the right.
export function drawRate(canvas, rates, seconds) {
  const height = 84, [c, width] = fresh(canvas, height);
  const peak = Math.max(10, ...rates), top = 14, bottom = height - 16;
  const x = (i) => i / (rates.length - 1) * width, y = (r) => bottom - r / peak * (bottom - top);
  c.strokeStyle = style("--line");
  c.lineWidth = 1;
  for (const part of [0, 0.5, 1]) {
    const at = Math.round(y(part * peak)) + 0.5;
    c.beginPath(); c.moveTo(0, at); c.lineTo(width, at); c.stroke();
  }
  c.beginPath();
  rates.forEach((r, i) => (i ? c.lineTo(x(i), y(r)) : c.moveTo(x(i), y(r))));
  c.strokeStyle = style("--accent");
  c.lineWidth = 1.75;
  c.lineJoin = "round";
  c.stroke();
  c.lineTo(width, bottom);
  c.lineTo(0, bottom);
  const fade = c.createLinearGradient(0, top, 0, bottom);
  c.globalAlpha = 0.28;
  fade.addColorStop(0, style("--accent"));
  fade.addColorStop(1, "transparent");
  c.fillStyle = fade;
  c.fill();
  c.globalAlpha = 1;
  label(c, Math.round(peak), 5, top - 3);
  label(c, `${seconds} s ago`, 5, height - 4);
  label(c, "now", width - 5, height - 4, "right");
}

// drawSteps draws a column a step, as high as the logarithm of its rows, in the colors of their sequences.
export function drawSteps(canvas, steps, most) {
  const height = 112, [c, width] = fresh(canvas, height);
  const rowsOf = (s) => s.shares.reduce((n, [, , rows]) => n + rows, 0);
  const peak = Math.max(8, ...steps.map(rowsOf)), bottom = height - 6, top = 10;
  const y = (rows) => bottom - Math.log2(1 + rows) / Math.log2(1 + peak) * (bottom - top);
  c.strokeStyle = style("--line");
  for (let rows = 1; rows <= peak; rows *= 8) {
    const at = Math.round(y(rows)) + 0.5;
    c.beginPath(); c.moveTo(26, at); c.lineTo(width, at); c.stroke();
    label(c, rows, 20, at + 3.5, "right");
  }
  const wide = (width - 30) / most;
  steps.forEach((s, i) => {
    const all = rowsOf(s), whole = bottom - y(all);
    const left = width - 2 - (steps.length - i) * wide;
    let at = bottom;
    for (const [id, answer, rows] of s.shares) {
      const part = whole * rows / all;
      c.fillStyle = color(id, answer);
      c.fillRect(left, at - part, Math.max(1, wide - 1.5), Math.max(0.6, part - (part > 4 ? 0.8 : 0)));
      at -= part;
    }
  });
}

const grids = new WeakMap(); // what was drawn on a canvas: size and columns of cells, and the map

function decode(base64) {
  const raw = atob(base64), bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return bytes;
}

// drawMap draws a cell a block: in its owner's color, striped if several hold it, gray if it is remembered.
export function drawMap(canvas, map, sequences) {
  const holders = decode(map.holders), raw = decode(map.owners);
  const owner = (i) => raw[2 * i] | raw[2 * i + 1] << 8;
  const n = holders.length, room = canvas.parentElement.clientWidth, tallest = 300;
  let size = 18;
  while (size > 2 && Math.ceil(n / Math.floor(room / size)) * size > tallest) size -= size > 6 ? 1 : 0.5;
  const columns = Math.max(1, Math.floor(room / size));
  const [c] = fresh(canvas, Math.ceil(Math.ceil(n / columns) * size));
  const gap = size > 5 ? 1.5 : size > 3 ? 0.75 : 0.25, side = size - gap, round = size > 7 ? 2.5 : 0;
  const known = style("--known"), free = style("--free");
  grids.set(canvas, { size, columns, n, owner, holders, per: map.per_cell });
  for (let i = 0; i < n; i++) {
    const x = i % columns * size, y = Math.floor(i / columns) * size, q = sequences[owner(i) - 3];
    c.fillStyle = q ? color(q.id, q.answer) : owner(i) === 0 ? free : known;
    c.beginPath();
    c.roundRect(x, y, side, side, round);
    c.fill();
    if (holders[i] > 1 && q) stripe(c, x, y, side, color(q.id, q.answer, 32), holders[i]);
  }
}

// stripe marks a cell that several hold, with how many if there is room.
function stripe(c, x, y, side, dark, holders) {
  c.save();
  c.clip();
  c.strokeStyle = dark;
  c.lineWidth = Math.max(1, side / 7);
  c.beginPath();
  for (let d = -side; d < 2 * side; d += Math.max(2, side / 3.2)) {
    c.moveTo(x + d, y + side);
    c.lineTo(x + d + side, y);
  }
  c.stroke();
  if (side > 12) {
    c.fillStyle = dark;
    c.beginPath();
    c.arc(x + side / 2, y + side / 2, side * 0.36, 0, 7);
    c.fill();
    c.fillStyle = "#fff";
    c.font = `600 ${Math.round(side * 0.52)}px ${style("--sans")}`;
    c.textAlign = "center";
    c.textBaseline = "middle";
    c.fillText(holders > 99 ? "+" : holders, x + side / 2, y + side / 2 + 0.5);
    c.textBaseline = "alphabetic";
  }
  c.restore();
}

// hovered is the cell at a place of a canvas that drawMap has drawn, or null.
export function hovered(canvas, x, y) {
  const g = grids.get(canvas);
  if (!g) return null;
  const column = Math.floor(x / g.size), i = Math.floor(y / g.size) * g.columns + column;
  if (column >= g.columns || i < 0 || i >= g.n) return null;
  return { block: i * g.per, owner: g.owner(i), holders: g.holders[i] };
}
