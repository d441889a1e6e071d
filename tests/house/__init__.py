"""Settings, logs, documents and layout are what they promise."""
