"""Many mails at once over kept connections. The only room with an event loop and sockets."""
