"""Those who lie, stall and flood: actors of their own, each over or instead of an honest one, never a branch in it."""
