"""SMTP as values and state. Nothing here does I/O or knows the time."""
