// Changing an order that has not begun to trade: its prices, its end, its slippage.

import { fill, h } from "../lib/dom.js";
import { moment } from "../state/draft.js";
import { amend } from "../state/place.js";
import { problemText } from "./bits.js";
import { decimalInput, field, localMoment, slippageChoice } from "./fields.js";

// Where an order is still open to change.
const AMENDABLE = new Set(["pending", "open"]);

// A form that stays as it is while its order moves on, so that nobody is disturbed in typing.
export function amendForm() {
  const trouble = h("p", { class: "problem", role: "alert" });
  const fields = h("div", { class: "fields" });
  const submit = h("button", { class: "primary" }, "Change the order");
  const form = h("form", { novalidate: true, "aria-label": "Change the order" }, fields, trouble, submit);
  const element = h("details", { class: "card amend" }, h("summary", {}, "Change the order"), form);
  element.hidden = true;
  let latest = null;
  // The order as whoever changes it has seen it.
  let order = null;
  let wanted = {};

  function draw() {
    order = latest;
    wanted = {};
    const take = (name, read = (value) => value.trim()) => (value) => {
      wanted[name] = read(value);
    };
    const pair = `${order.tokenOut} per ${order.tokenIn}`;
    const price = (name, label) => order[name] !== null && field(name, label, decimalInput(order[name], take(name)), pair);
    const end = order.timeInForce === "gtd" && h("input", { type: "datetime-local", value: localMoment(order.expireAt) });
    if (end) end.oninput = () => take("expireAt", moment)(end.value);
    fill(
      fields,
      price("stopPrice", "Trigger price"),
      price("limitPrice", "Limit price"),
      end && field("expireAt", "Until, in your time", end),
      slippageChoice(`${order.slippageBps}`, take("slippageBps", (value) => (value === "" ? undefined : parseInt(value, 10)))),
    );
  }

  element.ontoggle = () => {
    if (element.open) draw();
  };
  form.onsubmit = async (event) => {
    event.preventDefault();
    fill(trouble);
    submit.disabled = true;
    try {
      await amend(order, wanted);
      element.open = false;
    } catch (problem) {
      fill(trouble, problemText(problem));
      if (problem.code === "version_mismatch") draw();
    } finally {
      submit.disabled = false;
    }
  };
  return {
    element,
    show(shown) {
      latest = shown;
      element.hidden = !AMENDABLE.has(shown.status);
    },
  };
}
