"""Training: one loop, the stages that make up the recipe, their losses."""
