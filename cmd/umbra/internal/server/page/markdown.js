// A little Markdown, as elements: code, headings, lists, quotes, bold, italic, links. What is none of these is text, HTML too.

import { make, copier } from "./dom.js";

const fence = /^\s*(```+|~~~+)\s*([\w+#.-]*)[^`]*$/;
const item = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/;
const begins = (line) => fence.test(line) || item.test(line) || /^#{1,6}\s/.test(line) || /^>/.test(line) || /^\s*([-*_])(\s*\1){2,}\s*$/.test(line);

// markdown gives a fragment of what a text means.
export function markdown(text) {
  const out = document.createDocumentFragment();
  const lines = text.split("\n");
  for (let i = 0; i < lines.length;) {
    const line = lines[i];
    let m;
    if (!line.trim()) {
      i++;
    } else if ((m = fence.exec(line))) {
      const end = m[1];
      const code = [];
      for (i++; i < lines.length && !lines[i].trim().startsWith(end); i++) code.push(lines[i]);
      i++; // past the end, or past a block that is still being written
      out.append(codeBlock(code.join("\n"), m[2]));
    } else if ((m = /^(#{1,6})\s+(.*)$/.exec(line))) {
      out.append(inline(make(m[1].length < 3 ? "h3" : "h4"), m[2]));
      i++;
    } else if (/^\s*([-*_])(\s*\1){2,}\s*$/.test(line)) {
      out.append(make("hr"));
      i++;
    } else if (/^>/.test(line)) {
      const quoted = [];
      for (; i < lines.length && /^>/.test(lines[i]); i++) quoted.push(lines[i].replace(/^>\s?/, ""));
      out.append(make("blockquote", {}, markdown(quoted.join("\n"))));
    } else if (item.test(line)) {
      const items = [];
      for (; i < lines.length && (item.test(lines[i]) || (lines[i].trim() && /^\s+/.test(lines[i]) && !fence.test(lines[i]))); i++) items.push(lines[i]);
      out.append(list(items));
    } else {
      const words = [line];
      for (i++; i < lines.length && lines[i].trim() && !begins(lines[i]); i++) words.push(lines[i]);
      out.append(inline(make("p"), words.join("\n")));
    }
  }
  return out;
}

function codeBlock(code, language) {
  return make("div", { className: "code" }, make("div", { className: "bar" }, make("span", {}, language || "text"), copier(() => code)),
    make("pre", {}, make("code", {}, code)));
}

// list makes a list of items and, of lines further in, lists within.
function list(lines) {
  const [, indent, mark] = item.exec(lines[0]);
  const top = make(/\d/.test(mark) ? "ol" : "ul");
  if (/\d/.test(mark)) top.start = parseInt(mark, 10);
  for (let i = 0; i < lines.length;) {
    const m = item.exec(lines[i]);
    const entry = inline(make("li"), m ? m[3] : lines[i].trim());
    const inner = [];
    for (i++; i < lines.length; i++) {
      const next = item.exec(lines[i]);
      if (next && next[1].length <= indent.length) break;
      if (!next && !inner.length) entry.append(" ", ...inline(make("span"), lines[i].trim()).childNodes);
      else inner.push(lines[i]);
    }
    if (inner.length) entry.append(list(inner));
    top.append(entry);
  }
  return top;
}

// Code first: what is within it means nothing else.
const span = /(`+)(.+?)\1|\*\*(?=\S)(.+?)\*\*|\*(?=\S)([^*\n]+?)\*|\[([^\]\n]+)\]\((https?:\/\/[^\s)]+)\)/s;

function inline(parent, text) {
  for (let m; (m = span.exec(text)); text = text.slice(m.index + m[0].length)) {
    parent.append(text.slice(0, m.index));
    if (m[2] !== undefined) parent.append(make("code", {}, m[2]));
    else if (m[3] !== undefined) parent.append(inline(make("strong"), m[3]));
    else if (m[4] !== undefined) parent.append(inline(make("em"), m[4]));
    else parent.append(make("a", { href: m[6], target: "_blank", rel: "noopener noreferrer" }, m[5]));
  }
  parent.append(text);
  return parent;
}
