"""How many offers a committee makes final, how soon, and what a block costs as the ledger grows."""
