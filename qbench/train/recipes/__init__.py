"""The kinds of recipes: what each trains, and by which losses."""
