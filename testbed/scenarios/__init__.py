"""What happens on a trading day: homes, feeders, offers and faults, every one a function of a seed and a date."""
