"""SMTP as values and state. Nothing here does I/O, knows the time, or imports a third party."""
