"""Tests of units at risk."""
