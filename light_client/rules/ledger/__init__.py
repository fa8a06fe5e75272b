"""The ledger: transactions, state, blocks, headers, votes and quorum certificates."""
