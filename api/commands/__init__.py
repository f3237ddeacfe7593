"""The `truelift` command, a file a command."""
