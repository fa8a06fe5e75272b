"""Privacy measured: how well addresses can be linked, against what it costs in energy and transactions."""
