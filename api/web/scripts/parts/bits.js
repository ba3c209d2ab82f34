// Small pieces that several views show.

import { h } from "../lib/dom.js";
import { amount, kind, short, venue, words } from "../lib/format.js";

const STATUS = {
  pending: "Accepted",
  open: "Waiting",
  routing: "Quoting",
  building: "Signing",
  submitted: "Sent",
  partially_filled: "Partly filled",
  pending_cancel: "Canceling",
  confirmed: "Confirmed",
  failed: "Failed",
  rejected: "Rejected",
  canceled: "Canceled",
  expired: "Expired",
};

export function statusWord(status) {
  return STATUS[status] ?? words(status);
}

export function badge(status) {
  return h("span", { class: `badge ${status}` }, statusWord(status));
}

// Change a badge only where it differs.
export function rebadge(element, status) {
  if (element.dataset.status === status) return;
  element.dataset.status = status;
  element.className = `badge ${status}`;
  element.textContent = statusWord(status);
}

// Problems say what happened and what to do.
export function problemText(problem) {
  return [
    h("strong", {}, `${problem.detail}${/[.!?…]$/.test(problem.detail) ? "" : "."}`),
    problem.advice ? ` ${problem.advice}` : "",
    problem.orderId ? [" ", h("a", { href: `#/orders/${problem.orderId}` }, "Look it up")] : "",
  ];
}

export function problemBox(problem) {
  return h("p", { class: "problem", role: "alert" }, problemText(problem));
}

// "Raydium CLMM", with the venue's mark.
export function poolName(of) {
  return h("span", { class: `pool ${of.venue.includes("+") ? "both" : of.venue}` }, `${venue(of.venue)} ${kind(of.kind)}`);
}

export function address(text, ends) {
  return h("code", { title: text, class: "address" }, short(text, ends));
}

// A text that is copied by a press.
export function copyable(text, shown = short(text, 6)) {
  const button = h("button", { class: "copy", type: "button", title: text, "aria-label": `Copy ${text}` }, shown);
  button.onclick = async () => {
    await navigator.clipboard.writeText(text).catch(() => getSelection().selectAllChildren(button));
    button.dataset.done = "";
    setTimeout(() => delete button.dataset.done, 1_200);
  };
  return button;
}

export function outward(href, text) {
  return href ? h("a", { href, target: "_blank", rel: "noreferrer", class: "outward" }, text) : null;
}

// What an order is, in words.
export function orderTitle(order) {
  return order.amountOut
    ? [`Buy ${amount(order.amountOut)} ${order.tokenOut}`, `with ${order.tokenIn}`]
    : [`Sell ${amount(order.amount)} ${order.tokenIn}`, `for ${order.tokenOut}`];
}

export const TYPES = {
  market: "Market",
  limit: "Limit",
  stop: "Stop",
  stop_limit: "Stop limit",
  take_profit: "Take profit",
};

export function typeOf(order) {
  const name = TYPES[order.type] ?? words(order.type);
  const prices = [order.stopPrice, order.limitPrice].filter(Boolean).map((price) => amount(price));
  return prices.length ? `${name} ${prices.join(", ")} ${order.tokenOut}/${order.tokenIn}` : name;
}

export function panel(title, content, style = "") {
  return h("section", { class: `card ${style}` }, h("h2", {}, title), content);
}

// `titles` of columns, the first of which heads its row; `nothing` is said in place of no rows.
export function table(titles, rows, nothing, label = titles[0]) {
  if (!rows.length) return h("p", { class: "quiet" }, nothing);
  const head = h("tr", {}, titles.map((title, at) => h("th", { scope: "col", class: at ? "number" : null }, title)));
  const body = rows.map((cells) => h("tr", {}, cells.map((cell, at) => (at ? h("td", { class: "number" }, cell) : h("th", { scope: "row" }, cell)))));
  return h("div", { class: "scroller", tabindex: "0", role: "region", "aria-label": label }, h("table", { class: "plain" }, h("thead", {}, head), h("tbody", {}, body)));
}
