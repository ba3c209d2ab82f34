// Orders: the account's table, live, with filters.

import { fill, h, say, soon } from "../lib/dom.js";
import { amount, between, dayAndClock, rate, venue, words } from "../lib/format.js";
import { rowsOf } from "../lib/rows.js";
import { manyCanceler } from "../parts/cancel-many.js";
import { badge, orderTitle, problemText, rebadge, typeOf } from "../parts/bits.js";
import { cancelButton } from "../parts/progress.js";
import { go } from "../shell/router.js";
import { TERMINAL, orders } from "../state/orders.js";

const GROUPS = {
  all: ["All", () => true],
  live: ["In flight", ({ status }) => !TERMINAL.has(status)],
  filled: ["Confirmed", ({ status }) => status === "confirmed"],
  ended: ["Not traded", ({ status }) => TERMINAL.has(status) && status !== "confirmed"],
};

const COLUMNS = [
  ["Time", "time"],
  ["Order", "what"],
  ["Type", "type"],
  ["Status", "state"],
  ["Venue", "venue"],
  ["Received", "number got"],
  ["Price", "number price"],
  ["Took", "number took"],
  ["Cancel", "act"],
];

// Kept while the page is open.
const filter = { group: "all", text: "" };

export function mountOrders(main) {
  const count = h("p", { class: "quiet", role: "status" });
  const trouble = h("div", { class: "problem", role: "alert" });
  const search = h("input", {
    type: "search",
    placeholder: "Pair, venue, reason or id",
    "aria-label": "Filter by pair, venue, reason or id",
    value: filter.text,
    autocomplete: "off",
    "data-slash": "",
  });
  search.oninput = () => {
    filter.text = search.value;
    soon(draw);
  };
  const groups = h(
    "fieldset",
    { class: "choices groups" },
    h("legend", { class: "visually-hidden" }, "Which orders"),
    Object.entries(GROUPS).map(([name, [title]]) => {
      const input = h("input", { type: "radio", name: "group", id: `group-${name}` });
      input.checked = filter.group === name;
      input.onchange = () => {
        filter.group = name;
        soon(draw);
      };
      return [input, h("label", { for: `group-${name}` }, title)];
    }),
  );
  const table = rowsOf("Orders, newest first", COLUMNS, {
    keyOf: ({ orderId }) => orderId,
    draw: (order, cells, row) => drawRow(order, cells, row, (problem) => fill(trouble, problem ? problemText(problem) : "")),
    open: ({ orderId }) => go(`orders/${orderId}`),
    nearEnd: () => {
      if (orders.hasOlder && !orders.loading) orders.older();
    },
  });
  const empty = h("p", { class: "empty" });
  const outcome = h("p", { class: "quiet outcome", role: "status" });
  const many = manyCanceler((problem, words = "") => {
    fill(trouble, problem ? problemText(problem) : "");
    say(outcome, words);
  });
  main.append(
    h("header", { class: "bar" }, h("h1", { tabindex: "-1" }, "Orders"), groups, search, many.element, count),
    trouble,
    outcome,
    table.element,
    empty,
  );

  function draw() {
    const wanted = filter.text.trim().toLowerCase();
    const [, fits] = GROUPS[filter.group];
    const shown = orders.all.filter((order) => fits(order) && (!wanted || told(order).includes(wanted)));
    table.show(shown);
    say(count, `${shown.length.toLocaleString()}${orders.hasOlder ? " newest" : ""} ${shown.length === 1 ? "order" : "orders"}`);
    const live = (of) => of.filter(({ status }) => !TERMINAL.has(status)).map(({ orderId }) => orderId);
    many.show(live(shown), !wanted);
    empty.hidden = shown.length > 0;
    table.element.hidden = shown.length === 0;
    if (!empty.hidden) fill(empty, emptiness());
  }

  const unlisten = orders.onchange(draw);
  draw();
  return () => {
    unlisten();
    table.end();
  };
}

function emptiness() {
  if (orders.problem) return problemText(orders.problem);
  if (orders.loading) return "Reading orders…";
  if (orders.all.length) return "No order fits the filter.";
  return ["No orders yet. ", h("a", { href: "#/trade" }, "Place the first one"), "."];
}

function told(order) {
  const pair = `${order.tokenIn}/${order.tokenOut} ${order.tokenOut}/${order.tokenIn}`;
  return `${pair} ${order.venue ?? ""} ${order.reason ?? ""} ${order.type} ${order.orderId} ${order.status}`.toLowerCase();
}

// A row is drawn again only when its order has moved on.
function drawRow(order, cells, row, told) {
  const state = `${order.orderId}/${order.lastSeq}/${order.averagePrice ?? ""}`;
  if (row.drawn === state) return;
  const moved = row.drawn?.startsWith(order.orderId);
  row.drawn = state;
  const [time, what, type, status, where, got, price, took, act] = cells;
  const [main, rest] = orderTitle(order);
  say(time, dayAndClock(order.createdAt));
  if (!moved) fill(what, h("a", { href: `#/orders/${order.orderId}` }, main), ` ${rest}`);
  say(type, typeOf(order));
  if (!status.firstChild) status.append(badge(order.status));
  rebadge(status.firstChild, order.status);
  status.title = order.reason ? words(order.reason) : "";
  say(where, order.reason && TERMINAL.has(order.status) ? words(order.reason) : order.venue ? venue(order.venue) : "");
  where.classList.toggle("reason", !order.filledOut);
  say(got, order.filledOut ? `${amount(order.filledOut)} ${order.tokenOut}` : "");
  say(price, order.filledOut ? rate(order.filledOut, order.filledIn) : "");
  say(took, TERMINAL.has(order.status) ? between(order.createdAt, order.updatedAt) : "");
  if (TERMINAL.has(order.status)) fill(act);
  else if (!moved || !act.firstChild) fill(act, cancelButton(order, told));
}
