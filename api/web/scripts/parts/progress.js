// How far an order is: its steps, the time each took, and how it ended, in words.

import { fill, h } from "../lib/dom.js";
import { amount, between, difference, kind, rate, sentence, venue, words } from "../lib/format.js";
import { TERMINAL, orders } from "../state/orders.js";
import { cancel } from "../state/place.js";
import { badge, orderTitle, outward, problemText, rebadge } from "./bits.js";

const STEPS = [
  ["pending", "Accepted"],
  ["open", "Wait"],
  ["routing", "Quote"],
  ["building", "Sign"],
  ["submitted", "Send"],
  ["confirmed", "Landed"],
];
const ENDS = { failed: "Failed", rejected: "Rejected", canceled: "Canceled", expired: "Expired" };

// The steps of the newest attempt, each with the time that it took, the last one with that of the whole order.
export function steps(order, history) {
  const isOver = TERMINAL.has(order.status);
  const moments = new Map([["pending", order.createdAt]]);
  for (const { attempt, status, at } of history) if (attempt === order.attempt) moments.set(status, at);
  // Market orders wait for nothing.
  const shown = STEPS.filter(([status]) => status !== "open" || order.type !== "market");
  const last = shown.length - 1;
  const now = shown.findIndex(([status]) => status === (order.status === "pending_cancel" ? "submitted" : order.status));
  return h(
    "ol",
    { class: "steps", "aria-label": `Steps, now ${words(order.status)}` },
    shown.map(([status, title], at) => {
      const failed = at === last && ENDS[order.status];
      const style = at === last ? (isOver ? (failed ? "bad" : "done") : "") : at === now ? "current" : moments.has(status) && (isOver || at < now) ? "done" : "";
      return h("li", { class: style }, h("span", {}, failed || title), h("small", {}, took(order, moments, shown, at)));
    }),
  );
}

// The time of a step, from its moment to that of the next one; for the last one, that of the whole order.
function took(order, moments, shown, at) {
  const isOver = TERMINAL.has(order.status);
  if (at === shown.length - 1) return isOver ? `in ${between(order.createdAt, order.updatedAt)}` : "";
  const began = moments.get(shown[at][0]);
  const left = shown.slice(at + 1).map(([next]) => moments.get(next)).find((moment) => moment >= began) ?? (isOver ? order.updatedAt : null);
  return at > 0 && began && left ? between(began, left) : "";
}

// How an order ended, or why it goes on as it does: one sentence.
export function story(order, history) {
  const decision = history.findLast(({ status }) => status === "building");
  const sale = `${amount(order.filledIn)} ${order.tokenIn} for ${amount(order.filledOut)} ${order.tokenOut}`;
  if (order.status === "confirmed") {
    const quoted = history.at(-1)?.data?.quotedOut;
    const against = quoted && order.filledOut ? ` (${difference(order.filledOut, quoted)} bps against the quote)` : "";
    const won = decision ? `${venue(decision.venue)} ${kind(decision.data.kind)} won: ` : `${venue(order.venue)}: `;
    const price = `${rate(order.filledOut, order.filledIn)} ${order.tokenOut} per ${order.tokenIn}`;
    return `${won}sold ${sale}, ${price}${against}.${before(order, history)}`;
  }
  if (TERMINAL.has(order.status)) {
    const detail = history.at(-1)?.data?.detail;
    const why = order.reason ? ` (${words(order.reason)})` : "";
    return `Nothing was traded${why}${detail ? `: ${sentence(detail)}` : ""}.${before(order, history)}`;
  }
  if (order.status === "open") return "Waits for its price.";
  if (decision && decision.attempt === order.attempt) return sentence(decision.data.why ?? "");
  if (order.reason) return `Tried again after ${words(order.reason)}.`;
  return "Every pool of the pair is being quoted.";
}

// What became of the attempts before the newest one.
function before(order, history) {
  const reasons = [...new Set(history.filter(({ status, reason }) => reason && !TERMINAL.has(status)).map(({ reason }) => words(reason)))];
  if (order.attempt < 2 || !reasons.length) return "";
  const count = order.attempt - 1;
  return ` That was attempt ${order.attempt}; ${count === 1 ? "the one" : `the ${count}`} before traded nothing: ${reasons.join(", ")}.`;
}

// `told` gets the problem, or null when there is none any more.
export function cancelButton(order, told) {
  const button = h("button", { type: "button", class: "quiet-button", "aria-label": `Cancel: ${orderTitle(order).join(" ")}` }, "Cancel");
  button.onclick = async (event) => {
    event.stopPropagation();
    button.disabled = true;
    told(null);
    try {
      const answer = await cancel(order.orderId);
      if (answer.result === "too_late") told({ detail: "Too late to cancel", advice: "The swap is on its way; the chain decides." });
    } catch (problem) {
      button.disabled = false;
      told(problem);
    }
  };
  return button;
}

// A card that follows one order.
export function progressCard(orderId) {
  const first = orders.get(orderId);
  const mark = badge(first.status);
  const trouble = h("p", { class: "problem", role: "alert" });
  const track = h("div");
  const words = h("p", { class: "story" });
  const links = h("p", { class: "links" });
  const stop = cancelButton(first, (problem) => fill(trouble, problem && problemText(problem)));
  const [main, rest] = orderTitle(first);
  const element = h(
    "article",
    { class: "progress card", "aria-label": `Order: ${main} ${rest}` },
    h("header", {}, h("h3", {}, `${main} `, h("span", {}, rest)), mark),
    track,
    words,
    trouble,
    links,
  );
  let drawn = "";
  const draw = () => {
    const order = orders.get(orderId) ?? first;
    const history = orders.history(orderId);
    const state = `${order.lastSeq}/${history.length}`;
    if (state === drawn) return;
    drawn = state;
    rebadge(mark, order.status);
    fill(track, steps(order, history));
    fill(words, story(order, history));
    fill(
      links,
      h("a", { href: `#/orders/${orderId}` }, "Every step and quote"),
      outward(order.links.temporalUi, "Workflow"),
      outward(order.links.explorer, "Explorer"),
      TERMINAL.has(order.status) ? null : stop,
    );
  };
  draw();
  return { element, draw };
}
