"""The integrated energy system of the Proof-of-Solution paper: electricity, heat, gas and storage over one day."""
