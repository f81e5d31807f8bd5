"""The hub: the process that holds the port, keeps the workers alive, and is where what they share is kept."""
