"""What is known of each meter model, as data: `data/*.toml`, and what a user writes in the same form."""
