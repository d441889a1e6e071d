"""What storage promises, held on every driver."""
