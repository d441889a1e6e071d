"""What people agreed to, and whether their data may be processed (Art. 6–8)."""
