"""One mail over a network, waited for: blocking sockets, and no event loop."""
