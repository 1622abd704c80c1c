"""What keeps one bot's link up: the pure core, and the shell that runs it."""
