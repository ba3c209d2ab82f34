// Which pool pays most for which size: how far each is behind the best one, over five decades of size.

import { bestInWords, nameOf, rank, stretches } from "../lib/best.js";
import { path, picture, placed, sample, strokes, WIDTH } from "../lib/chart.js";
import { bps, parse } from "../lib/decimal.js";
import { fill, h, say, svg } from "../lib/dom.js";
import { amount, difference, rate } from "../lib/format.js";
import { poolName } from "./bits.js";

const HEIGHT = 260;
const LEFT = 8;
const RIGHT = WIDTH - 8;
const TOP = 14;
const FLOOR = 214;
const RIBBON = 228;

// Pools further behind leave the picture: in hundredths of a basis point.
const DEEPEST = 5_000n;

export function depthPicture() {
  const drawing = h("div");
  const axis = h("div", { class: "axis-x" });
  const summary = h("p", { class: "why" });
  const legend = h("ul", { class: "legend" });
  const slider = h("input", { type: "range", min: "0", step: "1", "aria-label": "Size", class: "size" });
  const chosen = h("output", { for: "size" });
  const ranking = h("ol", { class: "ranking" });
  const cursor = svg("line", { y1: TOP - 8, y2: RIBBON + 16, class: "cursor" });
  const element = h(
    "section",
    { class: "card depth", "aria-label": "Depth" },
    h("h2", {}, "Who pays most, by size"),
    summary,
    h(
      "figure",
      {},
      h("figcaption", {}, "Basis points behind the best pool at each size. The band has the colour of the best venue."),
      h("div", { class: "frame" }, drawing, h("div", { class: "axis-y" }, h("span", {}, "best"), h("span", {}, "−50 bps"))),
      slider,
      axis,
      legend,
    ),
    h("h3", {}, "For ", chosen),
    ranking,
  );
  let pools = null;
  slider.oninput = () => point();

  function point() {
    const at = parseInt(slider.value, 10);
    const size = pools.sizes[at];
    const x = placed(BigInt(at), 0n, BigInt(pools.sizes.length - 1), RIGHT - LEFT, LEFT);
    cursor.setAttribute("x1", x);
    cursor.setAttribute("x2", x);
    say(chosen, `${amount(size)} ${pools.tokenIn}`);
    slider.setAttribute("aria-valuetext", `${amount(size)} ${pools.tokenIn}`);
    const ranked = rank(pools, at);
    fill(
      ranking,
      ranked.slice(0, 5).map(({ pool, out }, place) =>
        h("li", { class: place ? null : "won" }, poolName(pool), h("span", { class: "number" }, `${amount(out)} ${pools.tokenOut}`), h("span", { class: "small" }, place ? `${difference(out, ranked[0].out)} bps` : `${rate(out, size)} each`)),
      ),
      ranked.length ? null : h("li", {}, "No pool can take so much."),
    );
  }

  return {
    element,
    show(shown) {
      const same = pools && pools.tokenIn === shown.tokenIn && pools.tokenOut === shown.tokenOut && pools.sizes.length === shown.sizes.length;
      pools = shown;
      if (!pools.sizes.length) return;
      slider.max = `${pools.sizes.length - 1}`;
      if (!same) slider.value = `${Math.floor(pools.sizes.length / 3)}`;
      const quoting = pools.pools.filter(({ reason }) => !reason);
      const styles = strokes(quoting);
      fill(drawing, drawn(pools, quoting, styles, cursor));
      fill(axis, pools.sizes.filter((_, at) => at % 8 === 0).map((size) => h("span", {}, amount(size))));
      fill(legend, quoting.map((pool, at) => h("li", {}, sample(styles[at]), poolName(pool))));
      say(summary, bestInWords(pools, "for small orders"));
      point();
    },
  };
}

function drawn(pools, quoting, styles, cursor) {
  const last = BigInt(pools.sizes.length - 1);
  const x = (at) => placed(BigInt(at), 0n, last, RIGHT - LEFT, LEFT);
  const bests = pools.sizes.map((_, at) => rank(pools, at)[0]?.out ?? null);
  const lines = quoting.map((pool, index) =>
    svg("path", { d: path(behind(pool, bests, x)), class: styles[index].class, "stroke-dasharray": styles[index].dash }),
  );
  const bands = stretches(pools).map(({ pool, from, to }) => {
    // A band reaches half way to the sizes beside it.
    const start = placed(BigInt(from ? 2 * from - 1 : 0), 0n, 2n * last, RIGHT - LEFT, LEFT);
    const width = placed(BigInt((to === pools.sizes.length - 1 ? 2 * to : 2 * to + 1) - (from ? 2 * from - 1 : 0)), 0n, 2n * last, RIGHT - LEFT);
    return svg("rect", { x: start, y: RIBBON, width, height: 14, class: `band ${pool?.venue ?? "none"}` }, svg("title", {}, pool ? nameOf(pool) : "none"));
  });
  const grid = [0n, 1_000n, 2_000n, 3_000n, 4_000n, 5_000n].map((value) => svg("line", { x1: LEFT, x2: RIGHT, y1: y(value), y2: y(value), class: "grid" }));
  return picture(HEIGHT, "How far each pool is behind the best one at each size, in basis points", grid, lines, bands, cursor);
}

function y(hundredths) {
  return placed(hundredths, 0n, DEEPEST, FLOOR - TOP, TOP);
}

// The line of a pool; it ends where the pool is too far behind or takes no more.
function behind(pool, bests, x) {
  return pool.amountsOut.map((out, at) => {
    if (!out || !bests[at]) return null;
    const { digits } = bps(parse(bests[at]), parse(out)) ?? { digits: DEEPEST + 1n };
    return digits > DEEPEST ? null : [x(at), y(digits)];
  });
}
