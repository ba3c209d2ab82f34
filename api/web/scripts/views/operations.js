// Operations: what the engine is doing now, how fast, what was tried again and why, and the switch that stops it.

import { fill, h, say, svg } from "../lib/dom.js";
import { picture, WIDTH } from "../lib/chart.js";
import { between, clock, duration, venue, words } from "../lib/format.js";
import { badge, panel, problemText, statusWord, table } from "../parts/bits.js";
import { tradingSwitch } from "../parts/halt.js";
import { workersPanel } from "../parts/workers.js";
import { get } from "../state/api.js";
import { whoAmI } from "../state/market.js";

const EVERY_MS = 3_000;
const WINDOWS = [["5", "5 min"], ["15", "15 min"], ["60", "1 h"], ["1440", "24 h"]];

// The steps by the statuses that they lead from and to.
const STEPS = {
  "null>confirmed": "Whole order, confirmed",
  "routing>building": "Quotes",
  "building>submitted": "Route, simulate, sign",
  "submitted>confirmed": "Land",
  "open>routing": "Wait for the price",
  "routing>open": "Price not there",
};

let minutes = "15";

export function mountOperations(main) {
  const state = h("p", { class: "quiet", role: "status" });
  const trouble = h("div", { class: "problem" });
  const content = h("div", { class: "operations" });
  const halt = tradingSwitch();
  const windows = h(
    "fieldset",
    { class: "choices windows" },
    h("legend", { class: "visually-hidden" }, "How far to look back"),
    WINDOWS.map(([value, title]) => {
      const input = h("input", { type: "radio", name: "window", id: `window-${value}` });
      input.checked = value === minutes;
      input.onchange = () => {
        minutes = value;
        read();
      };
      return [input, h("label", { for: `window-${value}` }, title)];
    }),
  );
  main.append(h("header", { class: "bar" }, h("h1", { tabindex: "-1" }, "Operations"), windows, state), trouble, halt.element, content);
  let timer = null;
  let ended = false;

  async function read() {
    clearTimeout(timer);
    try {
      const shown = await get(`/api/operations?minutes=${minutes}`);
      if (ended) return;
      fill(trouble);
      say(state, `${shown.account === null ? "All accounts" : `Account ${shown.account}`}, as of ${clock(shown.at)}`);
      const panels = [inFlight, steps, ends, setbacks, landings, servers, reconciliation].map((draw) => draw(shown));
      fill(content, tiles(shown), rates(shown), workersPanel(shown), h("div", { class: "panels" }, panels));
      halt.show(shown.halt);
    } catch (problem) {
      if (ended) return;
      fill(trouble, problemText(problem));
    }
    timer = setTimeout(again, EVERY_MS);
  }

  function again() {
    if (document.hidden) timer = setTimeout(again, EVERY_MS);
    else read();
  }

  whoAmI().then((caller) => halt.allow(caller.scopes.includes("admin")), () => {});
  read();
  return () => {
    ended = true;
    clearTimeout(timer);
  };
}

function sum(of, name) {
  return of.reduce((total, each) => total + each[name], 0);
}

function tiles(shown) {
  const accepted = sum(shown.buckets, "accepted");
  const confirmed = sum(shown.buckets, "confirmed");
  const failed = sum(shown.buckets, "failed");
  const whole = shown.steps.find(({ before, after }) => before === null && after === "confirmed");
  const seconds = shown.bucketSeconds * shown.buckets.length;
  const tried = shown.setbacks.filter(({ status }) => status === "routing" || status === "open");
  return h(
    "dl",
    { class: "tiles" },
    tile("In flight", sum(shown.inFlight, "orders").toLocaleString()),
    tile("Accepted", accepted.toLocaleString(), `${perSecond(accepted / seconds)} /s`),
    tile("Confirmed", confirmed + failed ? `${Math.floor((1000 * confirmed) / (confirmed + failed)) / 10}%` : "–", `${confirmed.toLocaleString()} of ${(confirmed + failed).toLocaleString()}`),
    tile("Order to end, median", whole ? duration(whole.p50Ms) : "–", whole ? `95% within ${duration(whole.p95Ms)}` : ""),
    tile("Tried again", sum(tried, "orders").toLocaleString()),
  );
}

function tile(name, value, more = "") {
  return h("div", { class: "card" }, h("dt", {}, name), h("dd", {}, value, h("small", {}, more)));
}

function counted(count, what) {
  return `${count.toLocaleString()} ${what}${count === 1 ? "" : "s"}`;
}

function perSecond(rate) {
  return rate >= 10 ? `${Math.round(rate)}` : `${Math.round(rate * 100) / 100}`;
}

function rates(shown) {
  const height = 120;
  const most = Math.max(1, ...shown.buckets.map(({ accepted, confirmed, failed }) => Math.max(accepted, confirmed + failed)));
  const width = WIDTH / shown.buckets.length;
  const bars = shown.buckets.map(({ confirmed, failed, accepted }, at) => {
    const bar = (count, below, style) => svg("rect", { x: at * width + 1, width: width - 2, y: height - ((count + below) / most) * height, height: (count / most) * height, class: style });
    return [bar(accepted, 0, "bar accepted"), bar(confirmed, 0, "bar confirmed"), bar(failed, confirmed, "bar failed")];
  });
  const label = "Orders accepted and ended over time";
  return panel(
    "Orders",
    h("figure", {}, h("figcaption", {}, `Each bar is ${duration(1000 * shown.bucketSeconds)}; the highest holds ${most.toLocaleString()}.`), picture(height, label, bars), h("div", { class: "axis-x" }, h("span", {}, clock(shown.since)), h("span", {}, clock(shown.at))), h("ul", { class: "legend" }, ["accepted", "confirmed", "failed"].map((name) => h("li", {}, h("i", { class: `swatch ${name}` }), name === "failed" ? "ended without a trade" : name)))),
    "wide",
  );
}

function inFlight(shown) {
  const rows = shown.inFlight.map(({ status, orders, oldest }) => [badge(status), orders.toLocaleString(), between(oldest, shown.at)]);
  return panel("In flight", table(["Status", "Orders", "Oldest"], rows, "Nothing is in flight."));
}

function steps(shown) {
  const order = Object.keys(STEPS);
  const name = ({ before, after }) => `${before}>${after}`;
  const rows = shown.steps
    .filter((each) => STEPS[name(each)])
    .sort((one, other) => order.indexOf(name(one)) - order.indexOf(name(other)))
    .map((each) => [STEPS[name(each)], duration(each.p50Ms), duration(each.p95Ms), duration(each.p99Ms), each.orders.toLocaleString()]);
  return panel("Time of each step", table(["Step", "p50", "p95", "p99", "Orders"], rows, "No order in this time."));
}

function ends(shown) {
  const rows = shown.ended.map(({ status, reason, venue: at, orders }) => [[badge(status), " ", reason ? words(reason) : venue(at)], orders.toLocaleString()]);
  return panel("How orders ended", table(["End", "Orders"], rows, "No order has ended in this time."));
}

function setbacks(shown) {
  const rows = shown.setbacks.map(({ reason, status, orders }) => [words(reason), status === "routing" || status === "open" ? "tried again" : statusWord(status).toLowerCase(), orders.toLocaleString()]);
  return panel("Retries and reasons", table(["Reason", "Led to", "Times"], rows, "Nothing went wrong in this time."));
}

function landings(shown) {
  const names = { landed: "Landed", reverted: "Reverted", expired: "Never landed" };
  const rows = shown.landings.map(({ outcome, attempts, p50Ms, p95Ms }) => [names[outcome] ?? "Not yet known", attempts.toLocaleString(), p50Ms === null ? "–" : duration(p50Ms), p95Ms === null ? "–" : duration(p95Ms)]);
  return panel("Signed swaps, until proven", table(["Outcome", "Swaps", "p50", "p95"], rows, "No swap was signed in this time."));
}

function servers(shown) {
  const rows = Object.entries(shown.checks).map(([name, { state, detail }]) => [name, h("span", { class: `badge ${state === "up" ? "confirmed" : "failed"}` }, state), detail ?? ""]);
  return panel("Servers", [table(["Server", "State", "Detail"], rows, ""), h("p", { class: "quiet" }, `${shown.streams.toLocaleString()} ${shown.streams === 1 ? "stream follows" : "streams follow"} this API.`)]);
}

function reconciliation({ reconciliation: last, account, at }) {
  if (account !== null) return null;
  if (!last) return panel("Reconciliation", h("p", { class: "quiet" }, "Orders, log and chain have not been compared yet."));
  const rows = last.findings.map((each) => [[words(each.kind), " ", h("a", { href: `#/orders/${each.orderId}` }, "order")], each.detail, `${between(each.firstSeen, at)} ago`]);
  return panel("Reconciliation", [
    h("p", { class: "quiet" }, `${between(last.finishedAt, at)} ago: ${counted(last.orders, "order")} and ${counted(last.swaps, "swap")} compared with the chain.`),
    table(["Found", "What", "Since"], rows, "Everything agrees."),
  ]);
}
