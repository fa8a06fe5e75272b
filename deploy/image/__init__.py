"""Cards for boards: what lies where on them, how the root is started, and what an update may replace. See README.md."""
