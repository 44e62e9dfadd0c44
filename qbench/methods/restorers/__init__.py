"""Image restorers of this project. Each is declared once, for methods, models and training."""
