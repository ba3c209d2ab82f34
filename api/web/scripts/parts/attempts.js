// Every swap that was signed for an order: at most one of them can have landed.

import { h } from "../lib/dom.js";
import { amount, between, clock, difference, sentence, words } from "../lib/format.js";
import { copyable, outward, poolName } from "./bits.js";

// What the proof of a swap that did not trade has to wait for.
const WAITED_FOR = { reverted: ", once its block was final", expired: ", once its blockhash was dead" };
const OUTCOMES = { landed: "Landed", reverted: "Reverted", expired: "Never landed" };

export function attemptList(order, attempts) {
  if (!attempts.length) return null;
  return [
    h("h2", {}, attempts.length === 1 ? "The swap that was signed" : `The ${attempts.length} swaps that were signed`),
    h("div", { class: "attempts" }, attempts.map((attempt) => card(order, attempt))),
  ];
}

function card(order, attempt) {
  const known = attempt.outcome !== null;
  const rows = [
    ["Signature", copyable(attempt.signature)],
    ["Recorded", clock(attempt.recordedAt)],
    ["Proven", known ? `after ${between(attempt.recordedAt, attempt.settledAt)}${WAITED_FOR[attempt.outcome] ?? ""}` : "not yet: the chain has not decided"],
    ["Quoted when signed", `${amount(attempt.quotedOut)} ${order.tokenOut}`],
    ["At least", `${amount(attempt.leastOut)} ${order.tokenOut}`],
    ["Received", attempt.filledOut ? `${amount(attempt.filledOut)} ${order.tokenOut}, ${difference(attempt.filledOut, attempt.quotedOut)} bps against the quote` : null],
    ["Landed in slot", attempt.slot ? amount(`${attempt.slot}`) : null],
    ["Could land until block", amount(`${attempt.lastValidBlockHeight}`)],
    ["Reason", attempt.reason ? `${words(attempt.reason)}${attempt.detail ? `: ${sentence(attempt.detail)}` : ""}` : null],
    ["Network fee", attempt.feeLamports ? `${amount(attempt.feeLamports)} lamports` : null],
    ["From", copyable(attempt.walletAddress)],
  ];
  return h(
    "article",
    { class: "card attempt", "aria-label": `Attempt ${attempt.attempt}` },
    h("header", {}, h("h3", {}, `Attempt ${attempt.attempt} `, poolName(attempt)), h("span", { class: `badge ${known ? attempt.outcome : "submitted"}` }, known ? OUTCOMES[attempt.outcome] : "Unknown yet")),
    h("dl", { class: "facts" }, rows.filter(([, value]) => value !== null).map(([name, value]) => h("div", { class: name === "Reason" ? "wide" : null }, h("dt", {}, name), h("dd", {}, value)))),
    outward(attempt.explorer ?? (attempt.signature === order.signature ? order.links.explorer : null), "Transaction in the explorer"),
  );
}
