"""The GraphQL schema: types, queries, mutations, and what every request to it carries."""
