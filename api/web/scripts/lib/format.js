// How things read: amounts, prices, times, statuses. Amounts and prices come as texts and are never rounded up.

import { bps, divide, fixed, parse, significant, text } from "./decimal.js";

const GROUPS = /\B(?=(\d{3})+(?!\d))/g;

// An amount with thousands apart; all its digits, unless told how many are enough.
export function amount(value, digits) {
  const parsed = value === null || value === undefined ? null : parse(value);
  if (!parsed) return "–";
  const [whole, fraction] = text(digits ? significant(parsed, digits) : parsed).split(".");
  return fraction ? `${whole.replace(GROUPS, ",")}.${fraction}` : whole.replace(GROUPS, ",");
}

// What was paid for each unit of what was sold.
export function rate(out, into, digits = 7) {
  const paid = out && into ? divide(parse(out), parse(into), 18) : null;
  return paid ? amount(text(paid), digits) : "–";
}

// The difference of two amounts in basis points, with its sign.
export function difference(one, other) {
  const found = bps(parse(one), parse(other));
  return found ? signed(fixed(found, 2)) : "–";
}

// A decimal text with its sign; nothing has none.
export function signed(value) {
  if (/^-?[0.]*$/.test(value)) return value.replace("-", "");
  return value.startsWith("-") ? `−${value.slice(1)}` : `+${value}`;
}

export function percent(basisPoints) {
  return `${text({ digits: BigInt(basisPoints), places: 2 })}%`;
}

export function duration(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 10) return `${Math.round(ms / 10) / 100} s`;
  if (seconds < 60) return `${Math.round(ms / 100) / 10} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d`;
}

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const DAY = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

export function clock(moment) {
  return CLOCK.format(new Date(moment));
}

export function dayAndClock(moment) {
  const date = new Date(moment);
  const today = new Date().toDateString() === date.toDateString();
  return today ? CLOCK.format(date) : `${DAY.format(date)}, ${CLOCK.format(date)}`;
}

export function between(start, end) {
  return duration(Math.max(0, new Date(end) - new Date(start)));
}

// The middle of an address or signature is for machines.
export function short(address, ends = 4) {
  return address.length > 2 * ends + 1 ? `${address.slice(0, ends)}…${address.slice(-ends)}` : address;
}

const VENUES = { raydium: "Raydium", meteora: "Meteora" };
const KINDS = {
  amm_v4: "AMM v4",
  cpmm: "CPMM",
  clmm: "CLMM",
  dlmm: "DLMM",
  damm_v1: "DAMM v1",
  damm_v2: "DAMM v2",
};

// Several legs are joined by "+", in the names of venues and kinds alike.
export function venue(name) {
  return name ? name.split("+").map((each) => VENUES[each] ?? each).join(" + ") : "–";
}

export function kind(name) {
  return name ? name.split("+").map((each) => KINDS[each] ?? each).join(" + ") : "–";
}

export function words(code) {
  return code ? code.replaceAll("_", " ") : "";
}

// A sentence of the engine with the names that people use, and amounts (not codes in brackets) with thousands apart.
export function sentence(why) {
  return why
    .replace(/\b(raydium|meteora)\b/g, (name) => VENUES[name])
    .replace(/\b(amm_v4|cpmm|clmm|dlmm|damm_v1|damm_v2)\b/g, (name) => KINDS[name])
    .replace(/(?<![\w.(])\d{4,}(\.\d+)?\b/g, (number) => amount(number));
}
