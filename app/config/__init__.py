"""All settings: name, type, default and help, read from the environment."""
