"""Files coming in: CSV and Parquet to batches of wire rows, and what was wrong with the rest."""
