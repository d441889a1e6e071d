"""What people want to happen with their data after death (French Data Protection Act, Art. 85)."""
