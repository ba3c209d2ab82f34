// One decision: in words, as a table of every pool that was asked, and as a picture.

import { bps, fixed, parse, text } from "../lib/decimal.js";
import { h } from "../lib/dom.js";
import { amount, sentence, signed, words } from "../lib/format.js";
import { address, poolName } from "./bits.js";
import { momentPicture } from "./moment.js";

export function decisionOf(order, event) {
  const { decision } = event.data;
  const units = { in: decimalsOf(order.amount, order.amountBaseUnits), out: null };
  const legs = decision.route.legs;
  const split = legs.length > 1;
  const total = legs.reduce((sum, leg) => sum + BigInt(leg.amountOut), 0n);
  units.out = placesOf(event.data.quotedOut, total);
  const best = { digits: total, places: 0 };
  const single = split ? [] : legs;
  const rows = [
    ...(split ? legs.map((leg) => ({ ...leg, part: true })) : []),
    ...[...single, ...decision.others].map((quote) => ({ ...quote, won: single.includes(quote) })),
  ];
  return h(
    "div",
    { class: "decision card" },
    h("p", { class: "why" }, sentence(decision.why)),
    momentPicture(order, decision, units),
    h(
      "div",
      { class: "scroller", tabindex: "0", role: "region", "aria-label": "Quotes of every pool" },
      h(
        "table",
        { class: "plain" },
        h("thead", {}, h("tr", {}, ["Pool", "Address", `Pays, ${order.tokenOut}`, "Against the route", "Impact", "Slot"].map((title, at) => h("th", { scope: "col", class: at > 1 ? "number" : null }, title)))),
        h("tbody", {}, rows.map((quote) => row(order, quote, best, units)), decision.refusals.map((each) => refused(each))),
      ),
    ),
  );
}

function row(order, quote, best, units) {
  const behind = bps({ digits: BigInt(quote.amountOut), places: 0 }, best);
  const against = quote.part ? `${amount(text({ digits: BigInt(quote.amountIn), places: units.in }))} ${order.tokenIn}` : quote.won ? "chosen" : `${signed(fixed(behind, 2))} bps`;
  return h(
    "tr",
    { class: quote.won || quote.part ? "won" : null },
    h("th", { scope: "row" }, poolName(quote)),
    h("td", {}, address(quote.pool)),
    h("td", { class: "number" }, amount(text({ digits: BigInt(quote.amountOut), places: units.out }))),
    h("td", { class: "number" }, against),
    h("td", { class: "number" }, `${quote.priceImpactBps} bps`),
    h("td", { class: "number" }, amount(`${quote.slot}`)),
  );
}

function refused(of) {
  return h("tr", { class: "refused" }, h("th", { scope: "row" }, poolName(of)), h("td", {}, address(of.pool)), h("td", { colspan: 4 }, `gives no quote: ${words(of.reason)}`));
}

// How many decimals a token has, from an amount that is known both ways. Zeros at the end are not written.
function decimalsOf(shown, units) {
  return placesOf(shown, BigInt(units));
}

function placesOf(shown, units) {
  const { digits, places } = parse(shown);
  let scale = places;
  for (let value = digits; value !== 0n && value < units; value *= 10n) scale += 1;
  return scale;
}
