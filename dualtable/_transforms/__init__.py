"""_transforms."""
