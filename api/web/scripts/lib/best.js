// Which pool pays most at each of many sizes. A market is {tokenIn, tokenOut, sizes, pools: [{venue, kind, amountsOut}]};
// sizes and amounts are texts, an amount is null where the pool takes no such size.

import { compare, parse } from "./decimal.js";
import { amount, kind, venue } from "./format.js";

// The pools that take the size, best first.
export function rank(market, at) {
  return market.pools
    .filter(({ amountsOut }) => amountsOut[at])
    .map((pool) => ({ pool, out: pool.amountsOut[at] }))
    .sort((one, other) => compare(parse(other.out), parse(one.out)));
}

// The winner at each size, gathered into stretches; `pool` is null where none takes the size.
export function stretches(market) {
  const found = [];
  market.sizes.forEach((size, at) => {
    const best = rank(market, at)[0]?.pool ?? null;
    const last = found.at(-1);
    if (last && last.pool === best) last.to = at;
    else found.push({ pool: best, from: at, to: at, size });
  });
  return found;
}

export function nameOf(pool) {
  return `${venue(pool.venue)} ${kind(pool.kind)}`;
}

// The stretches in a sentence, `first` saying for which sizes the first winner is best.
export function bestInWords(market, first) {
  const won = stretches(market).filter(({ pool }) => pool);
  if (!won.length) return "No pool of this pair quotes.";
  const [smallest, ...larger] = won.map(({ pool, size }, at) => `${at ? `from ${amount(size)} ${market.tokenIn} ` : ""}${nameOf(pool)}`);
  return `${smallest} pays most ${larger.length ? first : "for every size"}${larger.length ? `; ${larger.join("; ")}` : ""}.`;
}
