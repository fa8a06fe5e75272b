"""How the device fares: one snapshot, shown on the terminal, on a page, as metrics and by doctor alike."""
