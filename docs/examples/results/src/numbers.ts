// Numbers for people. Shares come as fractions; a number that does not exist comes as null, with its reason beside it.
import type { Finding } from "./results";

const number = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
const percent = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 1 });
const whole = new Intl.NumberFormat("en");

export const count = (n: number): string => whole.format(n);

export function lift(value: number | null): string {
  return value === null ? "–" : `${value > 0 ? "+" : ""}${percent.format(value)}`;
}

export function value(of: Finding, value: number | null): string {
  if (value === null) return "–";
  if (of.scale === "FRACTION") return percent.format(value);
  return of.scale === "DAYS" ? `${number.format(value)} days` : number.format(value);
}

export function difference(of: Finding, value: number | null): string {
  if (value === null) return "–";
  const sign = value > 0 ? "+" : "";
  if (of.scale === "FRACTION") return `${sign}${number.format(value * 100)} points`;
  return of.scale === "DAYS" ? `${sign}${number.format(value)} days` : `${sign}${number.format(value)}`;
}
