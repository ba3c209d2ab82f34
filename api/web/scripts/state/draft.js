// The order that is being written, kept while the page is open, whatever view is shown; and what is asked of the API for it.

import { compare, divide, multiply, parse, scaled, text } from "../lib/decimal.js";

export const PRICED = { market: [], limit: ["limitPrice"], stop: ["stopPrice"], stop_limit: ["stopPrice", "limitPrice"], take_profit: ["stopPrice"] };

// `exact` says which side the amount is of: "in" sells exactly that much, "out" buys exactly that much.
export const draft = {
  tokenIn: "SOL",
  tokenOut: "USDC",
  exact: "in",
  amount: "1",
  maxAmountIn: "",
  type: "market",
  slippageBps: "50",
  limitPrice: "",
  stopPrice: "",
  wallet: "default",
  timeInForce: "gtc",
  expireAt: "",
};

export const buys = () => draft.exact === "out";

// What the API is asked to quote, null while the draft is not complete.
export function quoteRequest() {
  const wanted = parse(draft.amount);
  if (!wanted || wanted.digits <= 0n || draft.tokenIn === draft.tokenOut || !draft.slippageBps) return null;
  const { tokenIn, tokenOut } = draft;
  return { tokenIn, tokenOut, [buys() ? "amountOut" : "amount"]: draft.amount.trim(), slippageBps: parseInt(draft.slippageBps, 10) };
}

// `most` is what an exact output may cost where the draft does not say it.
export function orderRequest(most) {
  const order = { ...quoteRequest(), wallet: draft.wallet.trim() };
  if (buys()) order.maxAmountIn = draft.maxAmountIn.trim() || most || undefined;
  if (draft.type !== "market") Object.assign(order, { type: draft.type, timeInForce: draft.timeInForce });
  for (const name of PRICED[draft.type]) order[name] = draft[name].trim();
  if (draft.type !== "market" && draft.timeInForce === "gtd") order.expireAt = moment(draft.expireAt);
  return order;
}

// A local date and time as the wire has it; what is none is left for the API to refuse.
export function moment(local) {
  const date = new Date(local);
  return Number.isNaN(date.getTime()) ? local : date.toISOString();
}

// What buying may cost at most when nothing else is said: at the market what slippage leaves of the quote, else at the
// price that the order waits for. Rounded up to the token's decimals; "" while that is not known.
export function mostToPay(decision, token) {
  const places = token?.decimals ?? 0;
  if (draft.type === "market") return decision?.mostIn ?? "";
  const wanted = parse(draft.amount);
  const limit = parse(draft.limitPrice || draft.stopPrice);
  if (!wanted || !limit || limit.digits <= 0n) return "";
  const slippage = draft.limitPrice ? parse("1") : { digits: 10_000n + BigInt(draft.slippageBps || "0"), places: 4 };
  const cost = divide(multiply(wanted, slippage), limit, places + 9);
  const cut = { digits: scaled(cost, places), places };
  return text(compare(cut, cost) < 0 ? { digits: cut.digits + 1n, places } : cut);
}

