// Exact decimals: an amount is a text on the wire, here digits as a BigInt and how many of them stand behind the point.
// No JavaScript number ever holds money; what counts digits or places is no money.

const PLAIN = /^(-?)(\d*)(?:\.(\d*))?$/;

// {digits, places} of a text such as "1.5", null for what is none.
export function parse(text) {
  const found = PLAIN.exec(text.trim());
  if (!found || !(found[2] || found[3])) return null;
  const fraction = found[3] ?? "";
  const digits = BigInt(`${found[2]}${fraction}`);
  return { digits: found[1] ? -digits : digits, places: fraction.length };
}

// The shortest plain text.
export function text({ digits, places }) {
  const sign = digits < 0n ? "-" : "";
  const all = `${digits < 0n ? -digits : digits}`.padStart(places + 1, "0");
  const whole = all.slice(0, all.length - places);
  const fraction = places ? all.slice(all.length - places).replace(/0+$/, "") : "";
  return `${sign}${whole}${fraction ? `.${fraction}` : ""}`;
}

// The digits of both at the finer of the two scales.
function aligned(one, other) {
  const places = one.places > other.places ? one.places : other.places;
  return [scaled(one, places), scaled(other, places), places];
}

// The digits at that many places; cut off where there are more.
export function scaled({ digits, places }, wanted) {
  return wanted >= places ? digits * 10n ** BigInt(wanted - places) : digits / 10n ** BigInt(places - wanted);
}

export function compare(one, other) {
  const [a, b] = aligned(one, other);
  return a < b ? -1 : a > b ? 1 : 0;
}

export function subtract(one, other) {
  const [a, b, places] = aligned(one, other);
  return { digits: a - b, places };
}

export function multiply(one, other) {
  return { digits: one.digits * other.digits, places: one.places + other.places };
}

// one / other to that many places, cut off; null where other is zero.
export function divide(one, other, places) {
  if (other.digits === 0n) return null;
  const [a, b] = aligned(one, other);
  return { digits: (a * 10n ** BigInt(places)) / b, places };
}

// How much more one is than other, in basis points with two places, rounded half away from zero; null for no other.
export function bps(one, other) {
  if (other.digits === 0n) return null;
  const [a, b] = aligned(one, other);
  const twice = ((a - b) * 2_000_000n) / b;
  return { digits: (twice + (twice < 0n ? -1n : 1n)) / 2n, places: 2 };
}

// With exactly that many places; cut off where there are more.
export function fixed(decimal, places) {
  const digits = scaled(decimal, places);
  const all = `${digits < 0n ? -digits : digits}`.padStart(places + 1, "0");
  return `${digits < 0n ? "-" : ""}${all.slice(0, all.length - places)}.${all.slice(all.length - places)}`;
}

// At most that many significant digits, cut off: never more than there is. Whole digits all stay.
export function significant({ digits, places }, wanted) {
  const length = `${digits < 0n ? -digits : digits}`.length;
  const drop = length - wanted < places ? length - wanted : places;
  if (drop <= 0) return { digits, places };
  return { digits: digits / 10n ** BigInt(drop), places: places - drop };
}
