"""_control."""
