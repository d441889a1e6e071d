"""The domain decides what the law and the policy demand."""
