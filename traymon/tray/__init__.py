"""What people see of a running traymon: the icon, its tooltip and its menu."""
