"""What was answered to a sender who may send the same again: once done, and the same answer each time."""
