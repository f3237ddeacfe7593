// The page: first whether the data can be trusted, then the server's verdict, then what it rests on.
import { element } from "./element";
import { forest } from "./forest";
import { count, difference, lift, value } from "./numbers";
import type { Experiment, Finding, Results } from "./results";

const COLUMNS = ["KPI", "Role", "Variant", "Control", "Treatment", "Difference", "Lift", "Interval", "Reads as"];

export function page(experiment: Experiment): HTMLElement {
  const heading = element("h1", {}, experiment.name);
  const about = element("p", {}, `${experiment.hypothesis?.title ?? ""} ${experiment.owner}, ${experiment.state}.`);
  const { results } = experiment;
  if (!results) return element("main", {}, heading, about, element("p", {}, "No results yet."));
  return element("main", {}, heading, about, ...warnings(results), verdict(results), table(results));
}

function warnings({ diagnostics, isExploratory }: Results): HTMLElement[] {
  const found = diagnostics.checks.filter((check) => check.state !== "OK").map((check) => check.sentence);
  if (isExploratory) found.unshift("Exploratory: the plan was changed after data came in.");
  return found.length ? [element("ul", { role: "alert" }, ...found.map((said) => element("li", {}, said)))] : [];
}

function verdict({ verdict, diagnostics, dataThrough }: Results): HTMLElement {
  const through = new Date(dataThrough).toLocaleString("en", { timeZone: "UTC", timeZoneName: "short" });
  return element(
    "section",
    { class: "verdict" },
    element("h2", {}, verdict.state.replaceAll("_", " ").toLowerCase()),
    element("p", {}, verdict.sentence),
    element("p", {}, verdict.wouldChange),
    element("p", { class: "as-of" }, `${count(diagnostics.exposed)} units; data through ${through}.`),
  );
}

function table({ findings }: Results): HTMLElement {
  const head = element("tr", {}, ...COLUMNS.map((name) => element("th", { scope: "col" }, name)));
  return element(
    "div",
    { class: "scroll", role: "region", "aria-label": "Findings", tabindex: "0" },
    element("table", {}, element("thead", {}, head), element("tbody", {}, ...findings.map(row))),
  );
}

function row(finding: Finding): HTMLElement {
  const cells = [
    finding.role.toLowerCase(),
    finding.variant.name,
    `${value(finding, finding.control.value)} of ${count(finding.control.n)}`,
    `${value(finding, finding.treatment.value)} of ${count(finding.treatment.n)}`,
    difference(finding, finding.estimate.difference),
    lift(finding.estimate.lift),
    forest(finding),
    word(finding),
  ];
  const name = element("th", { scope: "row" }, finding.kpi?.name ?? "");
  return element("tr", {}, name, ...cells.map((cell) => element("td", {}, cell)));
}

// Never by colour alone, and never derived from the numbers: the server knows the looks and the corrections.
function word(finding: Finding): string {
  if (finding.isBetter) return "▲ better";
  if (finding.isWorse) return "▼ worse";
  return finding.reason ? finding.reason.replaceAll("_", " ").toLowerCase() : "not decided";
}
