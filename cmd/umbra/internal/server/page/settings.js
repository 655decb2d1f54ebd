// The form of settings: a number and a slider each, which follow each other.

import { $, make } from "./dom.js";
import { fields, save, state } from "./state.js";
import { apiKey, setKey } from "./api.js";

// settings fills the form. keyed is called when another key has been given.
export function settings(keyed) {
  $("system").value = state.system;
  $("system").addEventListener("input", () => { state.system = $("system").value; save(); });
  $("key").value = apiKey();
  const use = () => {
    if ($("key").value.trim() === apiKey()) return;
    setKey($("key").value);
    keyed();
  };
  $("key-field").addEventListener("submit", (e) => { e.preventDefault(); use(); });
  $("key").addEventListener("change", use);
  const all = fields.map(field);
  $("fields").append(...all.map((f) => f.element));
  $("defaults").addEventListener("click", () => {
    state.sampling = {};
    save();
    for (const f of all) f.show();
  });
}

function field(f) {
  const number = make("input", { type: "number", id: "field-" + f.name, step: f.step === 1 ? 1 : "any", inputMode: "decimal", placeholder: f.usual ?? "random" });
  if (f.from !== undefined) number.min = f.from;
  number.setAttribute("aria-describedby", "note-" + f.name);
  const children = [make("label", { htmlFor: number.id }, f.label), number, make("p", { className: "note", id: "note-" + f.name }, f.note)];
  let slider;
  if (f.to !== undefined) {
    slider = make("input", { type: "range", min: f.from, max: f.to, step: f.step, tabIndex: -1 });
    slider.setAttribute("aria-label", f.label);
    slider.addEventListener("input", () => set(slider.valueAsNumber));
    children.push(slider);
  }
  const show = () => {
    const value = state.sampling[f.name] ?? f.usual;
    if (document.activeElement !== number) number.value = value ?? "";
    if (slider) slider.value = value;
  };
  const set = (value) => {
    if (Number.isFinite(value)) state.sampling[f.name] = value;
    else delete state.sampling[f.name];
    save();
    show();
  };
  number.addEventListener("input", () => { if (number.validity.valid) set(number.valueAsNumber); });
  number.addEventListener("blur", show);
  show();
  return { element: make("div", { className: "field" }, ...children), show };
}
