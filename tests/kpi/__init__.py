"""What is measured, and what comes in of it."""
