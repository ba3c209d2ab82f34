// The keyboard: what each key does, the list of them, and a switch, since single keys disturb some ways of input.

import { h } from "../lib/dom.js";
import { go } from "./router.js";

const KEY = "order-engine.shortcuts";

// How long the second key of a pair may take.
const PAIR_MS = 1_500;

const PAIRS = { t: "trade", o: "orders", v: "venues", p: "operations" };

const LIST = [
  ["g t", "Trade"],
  ["g o", "Orders"],
  ["g v", "Venues"],
  ["g p", "Operations"],
  ["/", "To the amount, or to the filter"],
  ["Ctrl Enter", "Place the order, from any field of it"],
  ["j  k", "Next and previous order of the table"],
  ["Enter", "Open the order"],
  ["?", "This list"],
];

export function startShortcuts(button) {
  const on = () => localStorage.getItem(KEY) !== "off";
  const dialog = listing(on);
  document.body.append(dialog);
  button.onclick = () => dialog.showModal();
  let first = 0;
  addEventListener("keydown", (event) => {
    const { key, target } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || !on()) return;
    if (target.closest("input:not([type=radio], [type=checkbox], [type=range]), select, textarea, dialog")) return;
    if (key === "?") dialog.showModal();
    else if (key === "/") {
      const field = document.querySelector("[data-slash]");
      if (!field) return;
      event.preventDefault();
      field.focus();
      field.select?.();
    } else if (key === "j" || key === "k") {
      document.querySelector("[data-rows]")?.dispatchEvent(new CustomEvent("step", { detail: key === "j" ? 1 : -1 }));
    } else if (key === "g") first = event.timeStamp;
    else if (PAIRS[key] && event.timeStamp - first < PAIR_MS) {
      first = 0;
      go(PAIRS[key]);
    }
  });
}

function listing(on) {
  const toggle = h("input", { type: "checkbox", id: "shortcuts-on" });
  toggle.checked = on();
  toggle.onchange = () => localStorage.setItem(KEY, toggle.checked ? "on" : "off");
  return h(
    "dialog",
    { "aria-labelledby": "shortcuts-title", class: "shortcuts" },
    h(
      "form",
      { method: "dialog" },
      h("h2", { id: "shortcuts-title" }, "Keyboard"),
      h(
        "dl",
        {},
        LIST.map(([keys, what]) => [h("dt", {}, keys.split(/ +/).map((each) => h("kbd", {}, each))), h("dd", {}, what)]),
      ),
      h("label", { class: "check", for: "shortcuts-on" }, toggle, " Single keys work"),
      h("button", {}, "Close"),
    ),
  );
}
