"""Wire fuzzing: wrong bytes in every place where Slack speaks, and whether traymon stays true and comes back."""
