// The experiment that the address names, as in /?experiment=guided-onboarding.
import { ask } from "./ask";
import { element } from "./element";
import { page } from "./page";
import { RESULTS } from "./results";

async function shown(key: string): Promise<HTMLElement> {
  const { experiment } = await ask(RESULTS, { key });
  return experiment ? page(experiment) : element("main", {}, `There is no experiment “${key}”.`);
}

const key = new URLSearchParams(location.search).get("experiment") ?? "guided-onboarding";
shown(key)
  .catch((error: Error) => element("main", { role: "alert" }, error.message))
  .then((found) => document.body.replaceChildren(found));
