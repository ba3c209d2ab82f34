// Which view is shown: the part of the address behind "#" says it, so that back, forward and bookmarks work.

import { fill } from "../lib/dom.js";
import { mountOperations } from "../views/operations.js";
import { mountOrder } from "../views/order.js";
import { mountOrders } from "../views/orders.js";
import { mountTrade } from "../views/trade.js";
import { mountVenues } from "../views/venues.js";

// Each view fills the element and returns how to end what it follows.
const VIEWS = [
  { path: /^$/, name: "trade", title: "Trade", mount: mountTrade },
  { path: /^trade$/, name: "trade", title: "Trade", mount: mountTrade },
  { path: /^orders$/, name: "orders", title: "Orders", mount: mountOrders },
  { path: /^orders\/([0-9a-f-]{36})$/, name: "orders", title: "Order", mount: mountOrder },
  { path: /^venues$/, name: "venues", title: "Venues", mount: mountVenues },
  { path: /^operations$/, name: "operations", title: "Operations", mount: mountOperations },
];

export function startRouter(main) {
  let leave = null;
  const show = (focused) => {
    const address = location.hash.replace(/^#\/?/, "");
    const found = VIEWS.find(({ path }) => path.test(address)) ?? VIEWS[0];
    leave?.();
    fill(main);
    main.className = `view-${found.title.toLowerCase()}`;
    document.title = `${found.title} · Order engine`;
    for (const link of document.querySelectorAll("nav a")) {
      if (link.dataset.view === found.name) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    leave = found.mount(main, ...(found.path.exec(address)?.slice(1) ?? []));
    if (focused) {
      scrollTo(0, 0);
      main.querySelector("h1")?.focus({ preventScroll: true });
    }
  };
  addEventListener("hashchange", () => show(true));
  show(false);
}

export function go(address) {
  location.hash = `#/${address}`;
}
