"""The grid operator: registry of meters, grants of assets, accounts."""
