"""Pure decisions: the observed world and a wish in, a plan out."""
