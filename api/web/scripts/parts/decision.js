// One decision: in words, as a table of every pool that was asked, and as a picture.

import { bps, fixed, parse, text } from "../lib/decimal.js";
import { h } from "../lib/dom.js";
import { amount, sentence, signed, words } from "../lib/format.js";
import { address, poolName } from "./bits.js";
import { momentPicture } from "./moment.js";

export function decisionOf(order, event) {
  const { decision } = event.data;
  const { legs } = decision.route;
  const exactOut = Boolean(order.amountOut);
  const sum = (name) => legs.reduce((total, leg) => total + BigInt(leg[name]), 0n);
  const units = { in: placesOf(order.amount, BigInt(order.amountBaseUnits)), out: placesOf(event.data.quotedOut, sum("amountOut")) };
  // What the pools are told apart by: what they pay, or for an exact output what they take.
  const by = exactOut ? { name: "amountIn", places: units.in } : { name: "amountOut", places: units.out };
  const best = { digits: sum(by.name), places: 0 };
  const split = legs.length > 1;
  const rows = [...legs.map((leg) => ({ ...leg, part: split, won: true })), ...decision.others];
  const titles = ["Pool", "Address", exactOut ? `Takes, ${order.tokenIn}` : `Pays, ${order.tokenOut}`, "Against the route", "Impact", "Slot"];
  return h(
    "div",
    { class: "decision card" },
    h("p", { class: "why" }, sentence(decision.why)),
    momentPicture(order, event.data, units),
    h(
      "div",
      { class: "scroller", tabindex: "0", role: "region", "aria-label": "Quotes of every pool" },
      h(
        "table",
        { class: "plain" },
        h("thead", {}, h("tr", {}, titles.map((title, at) => h("th", { scope: "col", class: at > 1 ? "number" : null }, title)))),
        h("tbody", {}, rows.map((quote) => row(order, quote, { best, by, units })), decision.refusals.map((each) => refused(each))),
      ),
    ),
  );
}

function row(order, quote, { best, by, units }) {
  const value = BigInt(quote[by.name]);
  const part = `its part: ${amount(text({ digits: BigInt(quote.amountIn), places: units.in }))} ${order.tokenIn}`;
  const against = quote.part ? part : quote.won ? "chosen" : `${signed(fixed(bps({ digits: value, places: 0 }, best), 2))} bps`;
  return h(
    "tr",
    { class: quote.won ? "won" : null },
    h("th", { scope: "row" }, poolName(quote)),
    h("td", {}, address(quote.pool)),
    h("td", { class: "number" }, amount(text({ digits: value, places: by.places }))),
    h("td", { class: "number" }, against),
    h("td", { class: "number" }, `${quote.priceImpactBps} bps`),
    h("td", { class: "number" }, amount(`${quote.slot}`)),
  );
}

function refused(of) {
  return h("tr", { class: "refused" }, h("th", { scope: "row" }, poolName(of)), h("td", {}, address(of.pool)), h("td", { colspan: 4 }, `gives no quote: ${words(of.reason)}`));
}

// How many decimals a token has, from an amount that is known both ways: zeros at its end are not written.
function placesOf(shown, units) {
  const { digits, places } = parse(shown);
  let scale = places;
  for (let value = digits; value !== 0n && value < units; value *= 10n) scale += 1;
  return scale;
}
