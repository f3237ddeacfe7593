"""What a KPI was and is outside experiments: sums by cohort from raw rows, and values by period from the sums."""
