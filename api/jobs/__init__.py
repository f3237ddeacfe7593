"""What runs in the background. Work is state in the database; every duty is safe to run twice."""
