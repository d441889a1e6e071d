"""The privacy rights server: may this person's data be processed, and what are they owed?"""
