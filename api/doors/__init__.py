"""HTTP that is not GraphQL, and the checks that every request passes."""
