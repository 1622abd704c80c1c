"""What traymon needs of the machine it runs on: clocks, the single instance, the control socket."""
