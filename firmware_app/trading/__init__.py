"""What a home does on the market: intents become orders, orders become signed offers, trades and deposits."""
