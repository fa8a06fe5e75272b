"""A member of the committee: judges proposals by the rules and votes; nothing here is trusted by a meter."""
