"""`truelift mcp`: what a language model may ask of a Truelift server, and, where somebody allows it, register there."""
