"""Who may be given personal data, and what was given to whom (S9, Art. 13(1)(e), 15(1)(c))."""
