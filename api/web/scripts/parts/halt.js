// The switch that stops all trading, for those who may use it. It asks for a reason first.

import { fill, h } from "../lib/dom.js";
import { dayAndClock } from "../lib/format.js";
import { post } from "../state/api.js";
import { problemText } from "./bits.js";

// `show(halt)` takes the halt in force or null, and undefined where the API does not tell; `allow` who may switch.
export function tradingSwitch() {
  const element = h("section", { class: "halt", "aria-label": "Trading" });
  const trouble = h("p", { class: "problem", role: "alert" });
  let allowed = false;
  let shown;
  let drawn = "";

  async function act(path, body) {
    try {
      shown = (await post(path, body)).halt ?? null;
      fill(trouble);
    } catch (problem) {
      fill(trouble, problemText(problem));
    }
    draw();
  }

  function draw() {
    const state = `${shown === undefined ? "unknown" : JSON.stringify(shown)} ${allowed}`;
    if (state === drawn) return;
    drawn = state;
    element.hidden = shown === undefined || (shown === null && !allowed);
    if (shown === undefined) return;
    element.classList.toggle("halted", shown !== null);
    fill(element, shown ? halted() : running(), trouble);
  }

  function halted() {
    const resume = h("button", { type: "button", class: "primary" }, "Resume trading");
    resume.onclick = () => act("/api/resume", {});
    return [h("p", {}, h("strong", {}, "Trading is halted. "), `By ${shown.by}, ${dayAndClock(shown.at)}${shown.reason ? `: ${shown.reason}` : ""}.`), allowed ? resume : null];
  }

  function running() {
    const reason = h("input", { id: "halt-reason", autocomplete: "off", maxlength: "200" });
    const form = h("form", { class: "halt-form" }, h("label", { for: "halt-reason" }, "Reason"), reason, h("button", { class: "danger" }, "Halt now"));
    form.onsubmit = (event) => {
      event.preventDefault();
      act("/api/halt", { reason: reason.value.trim() });
    };
    return h("details", {}, h("summary", {}, "Halt all trading"), h("p", {}, "No order begins to trade from then on. What was already sent is followed to its end."), form);
  }

  return {
    element,
    show(halt) {
      shown = halt;
      draw();
    },
    allow(may) {
      allowed = may;
      draw();
    },
  };
}
