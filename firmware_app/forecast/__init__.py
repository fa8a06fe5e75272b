"""What a home will use and generate, interval by interval, with quantiles and a running score."""
