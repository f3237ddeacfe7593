// A finding's interval as a line with its estimate, and zero as a mark: on a scale of its own, for KPIs differ in units.
import { shape } from "./element";
import { difference } from "./numbers";
import type { Finding } from "./results";

const WIDTH = 220;
const HEIGHT = 24;
const ROOM = 1.15; // of the farthest limit, so that no line touches the edge

export function forest(finding: Finding): SVGElement {
  const { lower = null, upper = null } = finding.interval ?? {};
  const estimate = finding.estimate.difference;
  const reach = ROOM * Math.max(...[lower, upper, estimate].map((limit) => Math.abs(limit ?? 0)));
  const place = (x: number): string => String(WIDTH / 2 + (reach ? (x / reach) * (WIDTH / 2) : 0));
  const left = lower === null ? "0" : place(lower);
  const right = upper === null ? String(WIDTH) : place(upper);
  const middle = String(HEIGHT / 2);
  const zero = shape("line", { class: "zero", x1: place(0), x2: place(0), y1: "2", y2: String(HEIGHT - 2) });
  const line = shape("line", { class: "interval", x1: left, x2: right, y1: middle, y2: middle });
  const point = estimate === null ? [] : [shape("circle", { cx: place(estimate), cy: middle, r: "4" })];
  const drawn = finding.interval ? [zero, line, ...point] : [zero, ...point];
  return shape("svg", { role: "img", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-label": sentence(finding) }, ...drawn);
}

export function sentence(finding: Finding): string {
  const estimate = `Difference ${difference(finding, finding.estimate.difference)}`;
  if (!finding.interval) return `${estimate}; no interval yet.`;
  const { lower, upper, level } = finding.interval;
  return `${estimate}, ${Math.round(level * 100)}% interval ${difference(finding, lower)} to ${difference(finding, upper)}.`;
}
