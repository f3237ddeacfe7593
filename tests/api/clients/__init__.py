"""Tests of the clients: the Python package, the MCP server and the example page."""
