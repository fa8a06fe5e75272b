"""One owner for each port: who is asked when, what a dead slave may cost, and how a lost port comes back."""
