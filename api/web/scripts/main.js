// The page begins: theme, sign-in, stream, and the view that the address names.

import { h } from "./lib/dom.js";
import { startConnection } from "./shell/connection.js";
import { startRouter } from "./shell/router.js";
import { startShortcuts } from "./shell/shortcuts.js";
import { startSignIn } from "./shell/signin.js";
import { startTheme } from "./shell/theme.js";
import { orders } from "./state/orders.js";
import { connect } from "./state/stream.js";

// The address behind "#" is the view's: this link moves the focus only.
document.querySelector(".skip").onclick = (event) => {
  event.preventDefault();
  document.querySelector("main").focus();
};

startTheme(document.querySelector("#theme"));
startSignIn(document.querySelector("#sign-out"));
startConnection(document.querySelector("#connection"), document.querySelector("#stale"));
startShortcuts(document.querySelector("#shortcuts"));
orders.start();
connect();
startRouter(document.querySelector("main"));

// What nobody foresaw is said, too: a page that stands still without a word is the worst of all.
addEventListener("unhandledrejection", ({ reason }) => {
  document.querySelector("#fault").replaceChildren(h("p", {}, `This page has a fault: ${reason?.message ?? reason}. Reload it.`));
});
