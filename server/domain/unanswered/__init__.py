"""Messages that no chatbot could answer: kept for the tenant, and connected to nobody (S5)."""
