"""One module for each service: translates between messages and the domain, decides nothing."""
