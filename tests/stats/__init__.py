"""The statistics, held against scipy, statsmodels and published values."""
