// The pools at the moment of a decision: what each paid for a unit, from the first one to the whole order.
//
// Two points of each line are known exactly from the decision: what the pool pays for the whole size, and, from its price
// impact, what it pays for a first sliver of it. Between them the line is drawn straight.

import { picture, path, placed, strokes, WIDTH } from "../lib/chart.js";
import { text } from "../lib/decimal.js";
import { h, svg } from "../lib/dom.js";
import { amount, rate, venue } from "../lib/format.js";
import { poolName } from "./bits.js";

const HEIGHT = 220;
const LEFT = 0;
const RIGHT = WIDTH - 10;
const TOP = 30;
const BOTTOM = HEIGHT - 26;

// Digits that a price is told apart by.
const PRICE = 10n ** 18n;

export function momentPicture(order, decision, units) {
  const { legs } = decision.route;
  const whole = legs.length === 1 ? [...legs, ...decision.others] : decision.others;
  const lines = whole.filter(({ amountIn }) => BigInt(amountIn) > 0n).map((quote) => line(quote, legs.includes(quote)));
  if (!lines.length) return null;
  const high = lines.reduce((most, { first }) => (first > most ? first : most), 0n);
  // Pools far behind would press all others into one line: what is less than the best by much leaves the picture.
  const best = lines.reduce((most, { last }) => (last > most ? last : most), 0n);
  const spread = high - best;
  const lowest = lines.reduce((least, { last }) => (last < least ? last : least), best);
  const limit = best - (spread * 4n > best / 400n ? spread * 4n : best / 400n);
  const low = lowest > limit ? lowest : limit;
  const at = (value) => placed(high - value, 0n, high - low || 1n, BOTTOM - TOP, TOP);
  const styles = strokes(lines);
  const label = `What each pool paid per ${order.tokenIn}, from the first part of the order to its whole size`;
  const drawn = lines.map((each, index) => [
    svg("path", { d: path([[`${LEFT}`, at(each.first)], [`${RIGHT}`, at(each.last)]]), class: `${styles[index].class}${each.won ? " won" : ""}`, "stroke-dasharray": styles[index].dash }),
    each.won ? svg("path", { d: `M${RIGHT} ${at(each.last)}h0.01`, class: `point ${each.venue}` }) : null,
  ]);
  const sold = text({ digits: BigInt(whole[0].amountIn), places: units.in });
  const perUnit = (value) => rate(text({ digits: value, places: units.out + 18 }), text({ digits: 1n, places: units.in }), 8);
  return h(
    "figure",
    {},
    h("figcaption", {}, `${label}. The dot is the ${legs.length > 1 ? "best single pool" : "chosen pool"}.`),
    h(
      "div",
      { class: "frame" },
      picture(HEIGHT, label, svg("rect", { x: 0, y: 0, width: WIDTH, height: HEIGHT, class: "ground" }), drawn),
      h("div", { class: "axis-y" }, h("span", {}, perUnit(high)), h("span", {}, perUnit(low))),
    ),
    h("div", { class: "axis-x" }, h("span", {}, "first part"), h("span", {}, `${amount(sold)} ${order.tokenIn}`)),
    h("ul", { class: "legend" }, lines.map((each, index) => h("li", {}, sample(styles[index]), poolName(each)))),
  );
}

export function sample({ class: style, dash }) {
  return svg("svg", { viewBox: "0 0 28 8", class: "sample", "aria-hidden": "true" }, svg("path", { d: "M1 4L27 4", class: style, "stroke-dasharray": dash }));
}

function line(quote, won) {
  const last = (BigInt(quote.amountOut) * PRICE) / BigInt(quote.amountIn);
  // The impact in hundredths of a basis point: a millionth each.
  const [whole, fraction = ""] = quote.priceImpactBps.split(".");
  const millionths = BigInt(`${whole}${fraction.padEnd(2, "0").slice(0, 2)}`);
  const first = (last * 1_000_000n) / (1_000_000n - (millionths < 999_999n ? millionths : 999_999n));
  return { venue: quote.venue, kind: quote.kind, name: venue(quote.venue), first, last, won };
}
