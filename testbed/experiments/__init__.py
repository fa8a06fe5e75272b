"""The published experiments, each from its data to its plots: reproduced, or corrected with the reason."""
