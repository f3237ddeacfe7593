// What @graphql-eslint asks of the schema: every rule that it has for schemas, but those that are switched off below.
import { readFileSync } from "node:fs";
import graphql from "@graphql-eslint/eslint-plugin";

const schema = new URL("../../api/graphql/schema.graphql", import.meta.url).pathname;
const text = readFileSync(schema, "utf8");
const objects = [...text.matchAll(/^type (\w+)( implements Node)?/gm)];
const withoutNode = objects.filter(([, , isNode]) => !isNode).map(([, name]) => name);
const { configs } = graphql;

export default [
  {
    files: ["**/*.graphql"],
    languageOptions: { parser: graphql.parser, parserOptions: { graphQLConfig: { schema } } },
    plugins: { "@graphql-eslint": graphql },
    rules: {
      ...configs["flat/schema-recommended"].rules,
      ...configs["flat/schema-all"].rules,
      ...configs["flat/schema-relay"].rules,
      // Values have no life of their own and no id; what is a Node has exactly one, called id.
      "@graphql-eslint/strict-id-in-types": ["error", { exceptions: { types: withoutNode } }],
      // Lists of values are lists; that a list of Nodes is a connection is held by tests/api/test_schema.py, and so is
      // that the node of an edge is a Node, for which this rule knows no exception.
      "@graphql-eslint/relay-edge-types": ["error", { listTypeCanWrapOnlyEdgeType: false, shouldImplementNode: false }],
      // All of it; but @oneOf is the specification's own, printed without its description.
      "@graphql-eslint/require-description": [
        "error",
        {
          types: true,
          rootField: true,
          FieldDefinition: true,
          InputValueDefinition: true,
          EnumValueDefinition: true,
          DirectiveDefinition: true,
          ignoredSelectors: ["DirectiveDefinition[name.value=oneOf]"],
        },
      ],
      // The order of fields tells what belongs together.
      "@graphql-eslint/alphabetize": "off",
      // For schemas that only read.
      "@graphql-eslint/no-root-type": "off",
      // A payload has what was changed; the whole graph below it would double what a mutation may cost.
      "@graphql-eslint/require-field-of-type-query-in-mutation-result": "off",
      // It wants an argument of @deprecated that the specification does not have. The reason says the date instead:
      // tests/api/test_schema.py.
      "@graphql-eslint/require-deprecation-date": "off",
    },
  },
];
