"""Inquiries, contacts, and what a tenant lacks for compliance (S13, S14, Art. 28(3))."""
