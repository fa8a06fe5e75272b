"""Whether every part of the device still does its work, and who restarts what if not."""
