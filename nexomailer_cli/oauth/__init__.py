"""Access tokens (RFC 6749): had, kept, renewed before they expire; nothing here knows SMTP."""
