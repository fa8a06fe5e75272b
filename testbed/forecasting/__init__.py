"""Forecasts judged on measured homes, beside the naive one and the models of a statistics library."""
