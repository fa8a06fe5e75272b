"""The market: offers, feasibility, objectives, certificates, shares, prices."""
