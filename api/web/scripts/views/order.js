// Order: everything that happened to one order, why it was routed as it was, and every swap that was signed for it.

import { fill, h } from "../lib/dom.js";
import { amount, between, difference, duration, rate, words } from "../lib/format.js";
import { badge, copyable, orderTitle, outward, problemBox, problemText, rebadge, typeOf } from "../parts/bits.js";
import { amendForm } from "../parts/amend.js";
import { attemptList } from "../parts/attempts.js";
import { decisionOf } from "../parts/decision.js";
import { cancelButton, steps, story } from "../parts/progress.js";
import { timeline } from "../parts/timeline.js";
import { get } from "../state/api.js";
import { TERMINAL, orders } from "../state/orders.js";

// Events come in bursts; what they say is read together.
const GATHER_MS = 120;
const AGAIN_MS = 2_000;

export function mountOrder(main, orderId) {
  const heading = h("h1", { tabindex: "-1" }, "Order");
  const content = h("div", { class: "order" }, h("p", { class: "quiet" }, "Reading the order…"));
  main.append(h("p", { class: "crumb" }, h("a", { href: "#/orders" }, "← Orders")), heading, content);
  const mark = badge("pending");
  const trouble = h("div", { class: "problem", role: "alert" });
  const data = h("div", { class: "data" });
  const parts = { summary: h("section", { class: "card" }), events: h("section"), decisions: h("section"), attempts: h("section") };
  const change = amendForm();
  let seen = -1;
  let ended = false;
  let timer = null;
  let laid = false;

  async function read() {
    timer = null;
    try {
      const path = `/api/orders/${orderId}`;
      const [order, { events }, { attempts }] = await Promise.all([get(path), get(`${path}/events`), get(`${path}/attempts`)]);
      if (ended) return;
      orders.put(order);
      seen = events.at(-1)?.seq ?? 0;
      show(order, events, attempts);
      // The order is ahead of what was read of it: the next read has it.
      if (seen < order.lastSeq) later(GATHER_MS);
    } catch (problem) {
      if (ended) return;
      if (!laid) fill(content, problemBox(problem));
      if (problem.passing) later(AGAIN_MS);
    }
  }

  function later(pause) {
    timer ??= setTimeout(read, pause);
  }

  function show(order, events, attempts) {
    const [what, rest] = orderTitle(order);
    fill(heading, `${what} `, h("span", {}, rest), " ", mark);
    document.title = `${what} ${rest} · Order engine`;
    rebadge(mark, order.status);
    if (!laid) {
      laid = true;
      fill(content, parts.summary, change.element, parts.events, parts.decisions, parts.attempts, data);
    }
    fill(
      parts.summary,
      steps(order, events),
      h("p", { class: "story" }, story(order, events)),
      facts(order, events, attempts),
      h(
        "p",
        { class: "links" },
        outward(order.links.temporalUi, "Workflow in Temporal"),
        outward(order.links.explorer, "Transaction in the explorer"),
        TERMINAL.has(order.status) ? null : cancelButton(order, (problem) => fill(trouble, problem && problemText(problem))),
      ),
      trouble,
    );
    change.show(order);
    fill(parts.events, timeline(order, events));
    fill(parts.decisions, decisions(order, events));
    fill(parts.attempts, attemptList(order, attempts));
    fill(data, rawEvents(events));
  }

  const unlisten = orders.onchange(() => {
    const history = orders.history(orderId);
    if ((history.at(-1)?.seq ?? 0) > seen || (orders.get(orderId)?.lastSeq ?? 0) > seen) later(GATHER_MS);
  });
  read();
  return () => {
    ended = true;
    clearTimeout(timer);
    unlisten();
  };
}

function facts(order, events, attempts) {
  const filled = order.filledOut !== null;
  const landed = attempts.find(({ outcome }) => outcome === "landed");
  const routed = events.findLast(({ status }) => status === "building");
  const quoted = routed?.data?.quotedOut ?? landed?.quotedOut;
  const rows = [
    ["Sold", filled ? `${amount(order.filledIn)} ${order.tokenIn}` : null],
    ["Received", filled ? `${amount(order.filledOut)} ${order.tokenOut}` : null],
    ["Price", filled ? `${rate(order.filledOut, order.filledIn, 9)} ${order.tokenOut} per ${order.tokenIn}` : null],
    ["Against the quote", filled && quoted ? `${difference(order.filledOut, quoted)} bps` : null],
    ["Reason", order.reason ? words(order.reason) : null],
    ["Type", typeOf(order)],
    ["Time in force", order.timeInForce ? order.timeInForce.toUpperCase() : null],
    ["Slippage", `${order.slippageBps} bps at most`],
    ["Attempts", `${order.attempt} of ${order.maxAttempts}`],
    ["Took", TERMINAL.has(order.status) ? between(order.createdAt, order.updatedAt) : `${duration(Date.now() - new Date(order.createdAt))} so far`],
    ["Network fee", order.feeLamports ? `${amount(order.feeLamports)} lamports` : null],
    ["Slot", order.slot ? amount(`${order.slot}`) : null],
    ["Wallet", order.wallet],
    ["Id", copyable(order.orderId, order.orderId)],
  ];
  return h("dl", { class: "facts" }, rows.filter(([, value]) => value !== null).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
}

// Each attempt decided anew; the newest decision is the one that counts.
function decisions(order, events) {
  const made = events.filter(({ data }) => data?.decision).reverse();
  if (!made.length) return null;
  const [newest, ...former] = made;
  return [
    h("h2", {}, "Why this route"),
    decisionOf(order, newest),
    former.map((event) => h("details", {}, h("summary", {}, `The quotes of attempt ${event.attempt}`), decisionOf(order, event))),
  ];
}

function rawEvents(events) {
  return h(
    "details",
    {},
    h("summary", {}, `The ${events.length} events as data`),
    events.map((event) => h("pre", { tabindex: "0", "aria-label": `Event ${event.seq}` }, JSON.stringify(event, null, 2))),
  );
}
