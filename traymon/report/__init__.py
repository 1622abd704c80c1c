"""What the session log says of the bots, as figures and as a page."""
