<<<<<<< HEAD
"""A member of the committee: judges proposals by the rules and votes; nothing here is trusted by a meter."""
=======
"""A miner: consensus by proof of solution, the mempool, the block store, and what it serves to followers."""
>>>>>>> consensus
