// The workers, each with the nodes that it asks and the prices that it watches, as it told last.

import { h } from "../lib/dom.js";
import { amount, between, duration } from "../lib/format.js";
import { panel, table } from "./bits.js";

const CIRCUITS = { closed: ["in use", "confirmed"], half_open: ["on probation", "open"], open: ["left out", "failed"], resting: ["resting", "open"] };

export function workersPanel({ workers, account }) {
  if (account !== null) return null;
  if (workers === null) return panel("Workers", h("p", { class: "quiet" }, "Redis does not answer: how the workers find their nodes is not known. Orders do not notice."));
  if (!workers.length) return panel("Workers", h("p", { class: "problem" }, "No worker has told of itself in the last two minutes: orders are accepted, and wait."));
  return panel(
    workers.length === 1 ? "Worker" : `${workers.length} workers`,
    [...workers.map((each) => h("article", { class: `worker${each.stale ? " stale" : ""}`, "aria-label": `Worker ${each.worker}` }, heading(each), h("div", { class: "sides" }, endpoints(each), watchers(each)))), h("p", { class: "quiet note" }, "The endpoint with the lowest score is asked first: its latency in ms, with penalties for failures and lag.")],
  );
}

function heading({ worker, startedAt, at, silentMs, stale }) {
  const said = stale ? `silent for ${duration(silentMs)}: what follows is as of then` : `running for ${between(startedAt, at)}`;
  return h("header", {}, h("code", {}, worker), h("span", { class: stale ? "badge failed" : "quiet" }, said));
}

function endpoints({ endpoints: found, at }) {
  // Named as an operator asks: which one is asked first, and what is wrong with the others.
  const ordered = [...found].sort((one, other) => one.costMs - other.costMs);
  const rows = ordered.map((each) => {
    const [word, tone] = CIRCUITS[each.circuit] ?? [each.circuit, ""];
    const state = each.restsUntil ? `${word} for ${between(at, each.restsUntil)}` : word;
    const heard = each.heardAt ? `${between(each.heardAt, at)} ago` : "never";
    return [each.host, h("span", { class: `badge ${tone}` }, state), each.latencyMs === null ? "–" : duration(each.latencyMs), each.slotsBehind ? `${each.slotsBehind}` : "0", heard, amount(`${each.costMs}`)];
  });
  return h("section", {}, h("h3", {}, "RPC endpoints"), table(["Endpoint", "State", "Latency", "Slots behind", "Heard", "Score"], rows, "None.", "RPC endpoints"));
}

function watchers({ watchers: found }) {
  const rows = found.map((each) => [each.pair, amount(`${each.orders}`), each.trouble ? h("span", { class: "badge failed" }, each.trouble) : each.lagMs === null ? "not yet" : duration(each.lagMs), each.slot === null ? "–" : amount(`${each.slot}`)]);
  return h("section", {}, h("h3", {}, "Price watchers"), table(["Pair", "Open orders", "Lag", "Slot"], rows, "No order waits for a price that is watched here.", "Price watchers"));
}
