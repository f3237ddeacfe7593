"""The schema that everybody sees, as another library reads it from its file; built once, for that takes a while."""

from graphql import GraphQLSchema, build_schema

from api.graphql.schema import sdl

PUBLIC: GraphQLSchema = build_schema(sdl())
