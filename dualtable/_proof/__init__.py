"""_proof."""
