"""Tests of the pages: charts, words and whole pages from made answers."""
