"""The service as a person meets it: the demo, its pages in a real browser, and what survives being killed."""
