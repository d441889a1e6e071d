"""What is kept, and the only ways to write and read it: MongoDB, embedded or a deployment's own."""
