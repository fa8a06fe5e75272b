"""Wire messages between the actors: one module per family, one table of type numbers (`codec`)."""
