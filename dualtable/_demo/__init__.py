"""_demo."""
