"""What can be done: one business action a mutation, each with its input and its payload."""
