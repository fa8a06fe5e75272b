"""The device program: lifecycle, scheduling, forecasting, bidding, storage, configuration, status."""
