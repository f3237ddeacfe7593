"""The service as a person meets it: the demo, its pages in a real browser, imports, and what survives being killed."""
