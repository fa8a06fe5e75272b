"""The account of a trading day: one page for people, one summary for programs, a few lines for a terminal."""
