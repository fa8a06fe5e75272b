"""What a trading meter knows of the market: shared rules, wallet, sync, verification, transport."""
