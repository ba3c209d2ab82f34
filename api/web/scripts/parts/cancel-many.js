// Cancelling many orders at once, after a question: all of the account, or those that a filter shows.

import { h, say, uid } from "../lib/dom.js";
import { cancelMany } from "../state/place.js";

// `told` gets the problem or null, and what came of it in words; `show` the ids in flight, and whether these are all.
export function manyCanceler(told) {
  const title = h("h2", { id: uid("cancel-many") });
  const yes = h("button", { value: "yes", class: "danger" });
  const dialog = h(
    "dialog",
    { "aria-labelledby": title.id },
    h("form", { method: "dialog" }, title, h("p", {}, "An order whose swap is already on its way is decided by the chain."), h("div", { class: "buttons" }, yes, h("button", { value: "no" }, "Keep them"))),
  );
  const button = h("button", { type: "button", class: "quiet-button" });
  button.hidden = true;
  let ids = null;
  button.onclick = () => {
    say(title, `${button.textContent}?`);
    say(yes, button.textContent);
    dialog.returnValue = "no";
    dialog.showModal();
  };
  dialog.onclose = async () => {
    if (dialog.returnValue !== "yes") return;
    button.disabled = true;
    try {
      told(null, inWords(await cancelMany(ids)));
    } catch (problem) {
      told(problem);
    } finally {
      button.disabled = false;
    }
  };
  return {
    element: [button, dialog],
    show(live, all) {
      const count = live.length;
      ids = all ? null : live;
      button.hidden = count === 0;
      if (!dialog.open) say(button, all ? "Cancel all in flight" : `Cancel ${count === 1 ? "the 1" : `these ${count}`} in flight`);
    },
  };
}

function inWords({ canceled, late, failed }) {
  const parts = [`${canceled} canceled`];
  if (late) parts.push(`${late} too late: the chain decides`);
  if (failed) parts.push(`${failed} not reached: try again`);
  return `${parts.join(", ")}.`;
}
