"""What to ask which server next; nothing here judges what comes back."""
