"""The statistics of series, against statsmodels, scipy and worlds that are drawn."""
