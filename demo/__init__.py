"""The privacy policy's story, told by running it, with every promise checked."""
