"""Getting gridlight onto boards and keeping it right."""
