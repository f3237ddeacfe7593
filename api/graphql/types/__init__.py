"""The public face of each noun: an allow-list of fields, each described."""
