"""The stories: each reads like the table of phases; what they need is handed to them."""
