"""Every setting once: name, type, default and help, read from the environment."""
