// Making elements. Text goes in as text, never as HTML.

export const $ = (id) => document.getElementById(id);

// make gives an element with properties and children; strings among them are text.
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

export function button(text, act, properties = {}) {
  const b = make("button", { type: "button", className: "quiet", ...properties }, text);
  b.addEventListener("click", act);
  return b;
}

// copier is a button that copies what text() gives.
export function copier(text) {
  const b = button("Copy", async () => {
    try {
      await navigator.clipboard.writeText(text());
      b.textContent = "Copied";
    } catch {
      b.textContent = "Not allowed"; // a page without TLS, but for localhost
    }
    setTimeout(() => { b.textContent = "Copy"; }, 1500);
  });
  return b;
}
