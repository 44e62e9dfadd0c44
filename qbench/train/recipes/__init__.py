"""The kinds of recipes: each declared in a folder that loads no torch, trained by a module in it."""
