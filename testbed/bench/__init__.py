"""Measures solving, certifying and verifying at scale, side by side with the published formulation."""
