// What @graphql-inspector says, a JSON value a line.
//   node inspect.mjs changes OLD NEW           every change from one schema to the other, and how much it matters
//   node inspect.mjs documents SCHEMA FILE...  which documents do not fit the schema, then how many there are
// A file is GraphQL, or a page or program with GraphQL in it; there, each operation is a document.
import { readFileSync } from "node:fs";
import { diff, validate } from "@graphql-inspector/core";
import { buildSchema, parse, print, Source } from "graphql";

const EMBEDDED = { md: /^```graphql\n(.*?)^```$/gms, ts: /\bgraphql\(`(.*?)`/gs };
const read = (file) => readFileSync(file, "utf8");
const say = (value) => console.log(JSON.stringify(value));

function documents(file) {
  const within = EMBEDDED[file.split(".").at(-1)];
  if (!within) return [new Source(read(file), file)];
  const texts = [...read(file).matchAll(within)].map(([, text]) => text);
  return texts.flatMap((text) => parse(text).definitions.map((one) => new Source(print(one), file)));
}

const [task, first, ...rest] = process.argv.slice(2);
const schema = buildSchema(read(first));
if (task === "changes") {
  for (const { criticality, path, message } of await diff(schema, buildSchema(read(rest[0])))) {
    say({ level: criticality.level, path, message });
  }
} else {
  const found = rest.flatMap(documents);
  const wrong = validate(schema, found);
  for (const { source, errors, deprecated } of wrong) {
    say({ file: source.name, told: [...errors, ...deprecated].map(({ message }) => message) });
  }
  say([found.length, wrong.length]);
}
