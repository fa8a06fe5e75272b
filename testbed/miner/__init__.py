"""A miner: consensus by proof of solution, the mempool, the block store, and what it serves to followers."""
