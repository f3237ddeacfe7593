"""What Truelift tells the outside: endpoints, and deliveries of notices to them by webhook, to Slack and by e-mail."""
