"""Measured homes trading for up to a year with the device's own bidder: what bidding is worth."""
