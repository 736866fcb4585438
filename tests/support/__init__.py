"""What tests share: scripted peers, servers, and a way to run the command line."""
