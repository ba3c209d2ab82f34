// Both venues side by side: every pool's quote, which wins, and why.

import { compare, parse } from "../lib/decimal.js";
import { fill, h } from "../lib/dom.js";
import { amount, difference, kind, sentence, venue, words } from "../lib/format.js";
import { address, poolName, problemText } from "./bits.js";

// `show(quote)` draws a quote, `show(null)` an empty comparison, `fail(problem)` why there is none.
export function comparison() {
  const verdict = h("div", { class: "verdict" });
  const sides = h("div", { class: "sides" });
  const element = h("section", { class: "comparison", "aria-label": "Quotes" }, verdict, sides);
  return {
    element,
    show(quote) {
      fill(verdict, quote ? verdictOf(quote) : h("p", { class: "quiet" }, "Enter an amount to see what each pool pays."));
      fill(sides, quote?.venues.map((each) => side(each, quote)));
    },
    fail(problem) {
      fill(verdict, h("p", { class: "problem" }, problemText(problem)));
      fill(sides);
    },
  };
}

export function winners(decision) {
  return new Set(decision?.legs.map(({ pool }) => pool) ?? []);
}

function verdictOf(quote) {
  const { decision } = quote;
  if (!decision) return [h("h2", {}, "No pool can fill this"), h("p", {}, quote.detail || words(quote.reason))];
  const names = [...new Set(decision.legs.map((leg) => venue(leg.venue)))].join(" and ");
  return [
    h("h2", {}, h("span", { class: "tick", "aria-hidden": "true" }, "✓"), ` ${names} would win`),
    h("p", {}, sentence(decision.why)),
  ];
}

function side(of, quote) {
  const chosen = winners(quote.decision);
  const wins = of.quotes.some(({ pool }) => chosen.has(pool));
  return h(
    "section",
    { class: `side-venue ${of.venue}${wins ? " wins" : ""}`, "aria-label": venue(of.venue) },
    h("h3", {}, venue(of.venue), wins ? h("span", { class: "badge won" }, "wins") : null),
    of.reason ? h("p", { class: "problem" }, `Not quoted: ${of.detail || words(of.reason)}`) : null,
    !of.reason && !of.quotes.length ? h("p", { class: "quiet" }, "No pool of this pair quotes.") : null,
    h("ol", { class: "pools" }, of.quotes.map((each) => poolRow(each, quote, chosen))),
    of.refusals.map((each) => h("p", { class: "quiet refusal" }, `${kind(each.kind)} `, address(each.pool), `: ${words(each.reason)}`)),
  );
}

function poolRow(of, quote, chosen) {
  const won = chosen.has(of.pool);
  // Buying exactly, the pools are told apart by what they take.
  const by = quote.amountOut === null ? "amountOut" : "amountIn";
  const best = quote.best;
  const behind = best && compare(parse(of[by]), parse(best[by])) !== 0;
  const against = behind ? `${difference(of[by], best[by])} bps` : "best";
  return h(
    "li",
    { class: won ? "won" : null },
    h("span", { class: "name" }, poolName(of), won ? h("span", { class: "visually-hidden" }, " (chosen)") : null),
    h("span", { class: "number" }, amount(of[by])),
    h("span", { class: "small" }, `impact ${of.priceImpactBps} bps · fee ${amount(of.fee, 5)} ${of.feeToken}`),
    h("span", { class: `small against${behind ? "" : " best"}` }, against),
  );
}
