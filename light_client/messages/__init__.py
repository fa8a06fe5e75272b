"""Wire messages: one module per family, one table of type numbers, canonical bytes."""
