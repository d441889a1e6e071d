"""Personal data: kept for a purpose, down to the field, and given back for one (S3, Art. 5)."""
