"""A whole trading day in virtual time: every actor, one process, one seed."""
