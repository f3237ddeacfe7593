"""Who may come in: keys, scopes, sign-in."""
