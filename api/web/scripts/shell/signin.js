// Signing in with an API key, where the API asks for one. The key is kept for this tab, no longer.

import { fill, h } from "../lib/dom.js";
import { key, whenKeyIsWanted } from "../state/api.js";
import { rest } from "../state/stream.js";

export function startSignIn(signOut) {
  signOut.hidden = key.get() === null;
  signOut.onclick = () => {
    key.forget();
    location.reload();
  };
  let dialog = null;
  whenKeyIsWanted((problem) => {
    rest();
    dialog ??= ask();
    const known = key.get() !== null;
    fill(dialog.querySelector(".problem"), known ? `${problem.detail}. ${problem.advice}` : "");
    if (!dialog.open) dialog.showModal();
  });
}

function ask() {
  const field = h("input", {
    id: "key",
    type: "password",
    autocomplete: "current-password",
    placeholder: "oek_…",
    spellcheck: "false",
    required: true,
  });
  const form = h(
    "form",
    { method: "dialog" },
    h("h2", { id: "sign-in-title" }, "Sign in"),
    h("p", {}, "This engine is used with an API key. ", h("code", {}, "order-engine keys create"), " makes one."),
    h("label", { for: "key" }, "API key"),
    field,
    h("p", { class: "hint" }, "Kept in this tab only, until you close it or sign out."),
    h("p", { class: "problem", role: "alert" }),
    h("button", { class: "primary" }, "Sign in"),
  );
  form.onsubmit = (event) => {
    event.preventDefault();
    key.set(field.value.trim());
    // Everything is asked anew, as whoever the key is.
    location.reload();
  };
  const dialog = h("dialog", { "aria-labelledby": "sign-in-title", class: "sign-in" }, form);
  document.body.append(dialog);
  return dialog;
}
