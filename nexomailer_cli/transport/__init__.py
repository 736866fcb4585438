"""Mail over a network. The only room, with the probe, that awaits sockets."""
