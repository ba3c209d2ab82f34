// The pools at the moment of a decision: what each would have paid for sizes around the order's, and what was chosen.
//
// The engine recorded the amounts with the decision, exact at those sizes; lines between them are straight. What a size
// gets is drawn as its price (amount out for each unit in): as bare amounts the pools would lie on one line.

import { bestInWords, nameOf, rank } from "../lib/best.js";
import { path, picture, placed, sample, strokes, WIDTH } from "../lib/chart.js";
import { text } from "../lib/decimal.js";
import { fill, h, svg } from "../lib/dom.js";
import { amount, difference, rate } from "../lib/format.js";
import { poolName } from "./bits.js";

const HEIGHT = 240;
const LEFT = 10;
const RIGHT = WIDTH - 10;
const TOP = 34;
const BOTTOM = HEIGHT - 16;

// Digits that a price is told apart by.
const PRICE = 10n ** 18n;

// A picture of nothing but rounding would frighten: the least height is so many parts of the price (a basis point).
const LEAST_SPREAD = 10_000n;

// null where no curves were recorded. `places` are the decimals of the tokens: {in, out}.
export function momentPicture(order, { decision, curves }, places) {
  const market = marketOf(order, decision, curves, places);
  if (!market) return null;
  const { legs } = decision.route;
  const styles = strokes(market.pools);
  const label = `What each pool paid for every size around this order, in ${order.tokenOut} per ${order.tokenIn}`;
  const scale = scaleOf(market, legs);
  const cursor = svg("line", { y1: TOP - 24, y2: BOTTOM + 10, class: "cursor" });
  const lines = market.pools.map((pool, index) =>
    svg("path", { d: path(pool.points.map((point) => scale.place(point))), class: `${styles[index].class}${legs.some((leg) => leg.pool === pool.pool) ? " won" : ""}`, "stroke-dasharray": styles[index].dash }),
  );
  const drawing = picture(HEIGHT, label, svg("rect", { x: 0, y: 0, width: WIDTH, height: HEIGHT, class: "ground" }), cursor, lines, chosenPoints(legs, scale));
  const slider = h("input", { type: "range", min: "0", max: `${market.sizes.length - 1}`, step: "1", value: `${market.chosen}`, "aria-label": "Size" });
  const readout = h("p", { class: "readout", role: "status" });

  function point() {
    const at = parseInt(slider.value, 10);
    const x = scale.x(market.units[at]);
    cursor.setAttribute("x1", x);
    cursor.setAttribute("x2", x);
    slider.setAttribute("aria-valuetext", `${amount(market.sizes[at])} ${order.tokenIn}`);
    fill(readout, told(market, at, order, legs.length > 1));
  }
  slider.oninput = point;
  drawing.addEventListener("pointermove", ({ clientX }) => {
    const { left, width } = drawing.getBoundingClientRect();
    const last = market.sizes.length - 1;
    slider.value = `${Math.max(0, Math.min(last, Math.round(((clientX - left) / width) * last)))}`;
    point();
  });
  drawing.addEventListener("pointerleave", () => {
    slider.value = `${market.chosen}`;
    point();
  });
  point();
  const axis = [market.sizes[0], market.sizes[market.chosen], market.sizes.at(-1)].map((size) => h("span", {}, `${amount(size, 4)} ${order.tokenIn}`));
  return h(
    "figure",
    { class: "moment" },
    h("figcaption", {}, `Price by size at that moment, ${order.tokenOut} per ${order.tokenIn}. ${legs.length > 1 ? "The ring is what both pools pay together, the dots are their parts." : "The dot is this order."}`),
    h("div", { class: "frame" }, drawing, h("div", { class: "axis-y" }, h("span", {}, scale.told(scale.high)), h("span", {}, scale.told(scale.low)))),
    slider,
    h("div", { class: "axis-x" }, axis),
    readout,
    h("p", { class: "quiet" }, bestInWords(market, "for small orders")),
    h("ul", { class: "legend" }, market.pools.map((pool, index) => h("li", {}, sample(styles[index]), poolName(pool)))),
  );
}

// The recorded curves as a market of texts, with the base units (BigInts) and the points that the picture needs.
function marketOf(order, decision, curves, places) {
  if (!curves?.sizes.length) return null;
  const known = new Map([...decision.route.legs, ...decision.others].map((quote) => [quote.pool, quote]));
  const units = curves.sizes.map((size) => BigInt(size));
  const whole = decision.route.legs.reduce((total, { amountIn }) => total + BigInt(amountIn), 0n);
  const pools = curves.pools
    .filter(({ pool }) => known.has(pool))
    .map(({ pool, amountsOut }) => ({
      pool,
      venue: known.get(pool).venue,
      kind: known.get(pool).kind,
      amountsOut: amountsOut.map((out) => (out === null ? null : text({ digits: BigInt(out), places: places.out }))),
      points: amountsOut.map((out, at) => (out === null ? null : { units: units[at], price: (BigInt(out) * PRICE) / units[at] })),
    }));
  if (!pools.length) return null;
  const chosen = units.findIndex((size) => size >= whole);
  return { tokenIn: order.tokenIn, tokenOut: order.tokenOut, sizes: units.map((digits) => text({ digits, places: places.in })), units, pools, chosen: chosen < 0 ? units.length - 1 : chosen, places };
}

// From the best price of all down to what the best pool pays for the largest size, and to the better half of the pools
// at the size of the order: the others would press these into one line, and leave the picture.
function scaleOf({ units, pools, places, chosen }, legs) {
  const prices = (at) => pools.flatMap(({ points }) => (points[at] ? [points[at].price] : [])).sort((one, other) => (one > other ? -1 : one < other ? 1 : 0));
  const best = units.flatMap((_, at) => prices(at).slice(0, 1));
  const high = [...best, priceOf(legs)].reduce((most, price) => (price > most ? price : most));
  const rivals = prices(chosen);
  const wanted = [...best, rivals[Math.floor(rivals.length / 2)] ?? high].reduce((least, price) => (price < least ? price : least));
  const spread = high - wanted > high / LEAST_SPREAD ? high - wanted : high / LEAST_SPREAD;
  const low = high - (spread * 21n) / 20n;
  const last = BigInt(units.length - 1) || 1n;
  // Sizes are a step apart, each a fixed part larger than the one before; between two of them the place is in proportion.
  const x = (size) => {
    const next = units.findIndex((each) => each >= size);
    if (next <= 0) return placed(next < 0 ? last * PRICE : 0n, 0n, last * PRICE, RIGHT - LEFT, LEFT);
    const from = units[next - 1];
    return placed(BigInt(next - 1) * PRICE + ((size - from) * PRICE) / (units[next] - from), 0n, last * PRICE, RIGHT - LEFT, LEFT);
  };
  const y = (price) => placed(high - price, 0n, high - low || 1n, BOTTOM - TOP, TOP);
  return {
    high,
    low,
    x,
    place: (point) => (point && point.price >= low ? [x(point.units), y(point.price)] : null),
    told: (price) => rate(text({ digits: price, places: places.out + 18 }), text({ digits: 1n, places: places.in }), 8),
  };
}

function priceOf(legs) {
  const sum = (name) => legs.reduce((total, leg) => total + BigInt(leg[name]), 0n);
  return (sum("amountOut") * PRICE) / (sum("amountIn") || 1n);
}

// Each leg on its pool's line, and for several the whole above them.
function chosenPoints(legs, scale) {
  const dot = (units, price, style) => {
    const at = scale.place({ units, price });
    return at && svg("path", { d: `M${at[0]} ${at[1]}h0.01`, class: `point ${style}` });
  };
  const parts = legs.map((leg) => dot(BigInt(leg.amountIn), priceOf([leg]), leg.venue));
  if (legs.length === 1) return parts;
  const total = legs.reduce((sum, { amountIn }) => sum + BigInt(amountIn), 0n);
  return [parts, dot(total, priceOf(legs), "ring"), dot(total, priceOf(legs), "hole")];
}

function told(market, at, { tokenIn, tokenOut }, divided) {
  const [first, second] = rank(market, at);
  const size = h("strong", {}, `${amount(market.sizes[at])} ${tokenIn}`);
  if (!first) return [size, ": no pool was known to take so much."];
  const ahead = second ? `, ${difference(first.out, second.out)} bps against ${nameOf(second.pool)}` : "";
  const paid = at !== market.chosen ? "would have paid most" : divided ? "would have paid most alone" : "paid most";
  return [size, `: ${nameOf(first.pool)} ${paid}, ${amount(first.out)} ${tokenOut}${ahead}.`];
}
