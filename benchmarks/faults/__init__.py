"""What the service withstands: faults under load, by a script anyone can run (`make faults`)."""
