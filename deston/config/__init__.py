"""Configuration: text to frozen values, with every problem reported at once."""
