// The whole page is one query. Its type follows from the schema: a field that goes breaks `npm run check`.
import type { ResultOf } from "gql.tada";
import { graphql } from "./graphql";

export const RESULTS = graphql(`
  query Results($key: String!) {
    experiment(key: $key) {
      key
      name
      state
      owner
      hypothesis {
        title
      }
      results {
        dataThrough
        isExploratory
        verdict {
          state
          sentence
          wouldChange
        }
        diagnostics {
          exposed
          health
          checks {
            kind
            state
            sentence
          }
        }
        findings {
          kpi {
            key
            name
          }
          role
          variant {
            key
            name
          }
          scale
          control {
            n
            value
          }
          treatment {
            n
            value
          }
          estimate {
            difference
            lift
          }
          interval {
            lower
            upper
            level
          }
          isBetter
          isWorse
          reason
        }
      }
    }
  }
`);

export type Experiment = NonNullable<ResultOf<typeof RESULTS>["experiment"]>;
export type Results = NonNullable<Experiment["results"]>;
export type Finding = Results["findings"][number];
