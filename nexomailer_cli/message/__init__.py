"""From text to bytes: addresses, headers, bodies, attachments. Knows no network."""
