"""What to offer: quantile forecasts, a battery and the operator's limits become intents. No I/O, whole numbers only."""
