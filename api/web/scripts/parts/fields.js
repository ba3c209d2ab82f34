// Fields of forms that place and change orders.

import { parse, scaled } from "../lib/decimal.js";
import { h } from "../lib/dom.js";
import { percent } from "../lib/format.js";

const SLIPPAGES = ["10", "50", "100"];

// Radio buttons that look like one switch; `options` are [value, title]. Returns the box and its inputs.
export function choices(legend, name, options, chosen, pick, hidden = false) {
  const box = h(
    "fieldset",
    { class: `choices ${name}` },
    h("legend", { class: hidden ? "visually-hidden" : null }, legend),
    options.map(([value, title]) => {
      const input = h("input", { type: "radio", name, value, id: `${name}-${value}` });
      input.checked = value === chosen;
      input.onchange = () => pick(value);
      return [input, h("label", { for: `${name}-${value}` }, title)];
    }),
  );
  return [box, box.querySelectorAll("input")];
}

// A named field with its unit behind it.
export function field(id, label, input, unit = "") {
  input.id = id;
  return h("div", { class: "field" }, h("label", { for: id }, label), unit ? h("div", { class: "unit" }, input, h("span", {}, unit)) : input);
}

export function decimalInput(value, take, attributes = {}) {
  const input = h("input", { inputmode: "decimal", autocomplete: "off", value, ...attributes });
  input.oninput = () => take(input.value);
  return input;
}

// Slippage in basis points as a text; `take` gets "" while what is written is none.
export function slippageChoice(chosen, take) {
  const own = h("input", {
    class: "own",
    inputmode: "decimal",
    autocomplete: "off",
    placeholder: "own",
    "aria-label": "Slippage of your own, in percent",
    id: "slippageBps",
  });
  const [box, radios] = choices("Slippage at most", "slippage", SLIPPAGES.map((each) => [each, percent(each)]), chosen, (value) => {
    own.value = "";
    take(value);
  });
  if (!SLIPPAGES.includes(chosen)) own.value = chosen && percent(chosen).slice(0, -1);
  own.oninput = () => {
    const parsed = parse(own.value);
    for (const radio of radios) radio.checked = false;
    const fits = parsed && parsed.digits >= 0n && scaled(parsed, 2) <= 10_000n;
    own.setAttribute("aria-invalid", fits ? "false" : "true");
    take(fits ? `${scaled(parsed, 2)}` : "");
  };
  box.append(h("span", { class: "unit" }, own, h("span", {}, "%")));
  return box;
}

// What a field for a date and time shows for a moment of the wire, in local time.
export function localMoment(moment) {
  const date = new Date(moment);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
