"""Many messages, every row accounted for. Knows no options, no terminal and no sockets."""
