// One request by POST. What is wrong comes back as `errors`, with a code and, of a bug, the trace id that the log has.
import type { TadaDocumentNode } from "gql.tada";
import { print } from "graphql";

type Answer<Data> = {
  data?: Data | null;
  errors?: { message: string; extensions?: { code?: string; traceId?: string } }[];
};

export async function ask<Data, Variables>(
  document: TadaDocumentNode<Data, Variables>,
  variables: Variables,
): Promise<Data> {
  const response = await fetch("/graphql", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ query: print(document), variables }),
  });
  const { data, errors } = (await response.json()) as Answer<Data>;
  const error = errors?.[0];
  if (error) throw new Error([error.message, error.extensions?.traceId].filter(Boolean).join(" Trace "));
  if (!data) throw new Error(`The server answered ${response.status}.`);
  return data;
}
