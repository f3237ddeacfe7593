"""Tests of what Truelift tells the outside, with real receivers on loopback."""
