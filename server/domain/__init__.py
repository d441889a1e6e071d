"""What the law and the policy demand, decided without any framework."""
