"""The multi-energy market of the Proof-of-Solution paper: communities that trade electricity and heat in one hour."""
