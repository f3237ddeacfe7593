"""Reading files: CSV, Parquet, mappings."""
