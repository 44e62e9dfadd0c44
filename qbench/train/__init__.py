"""Training: recipes from cards, and one loop."""
