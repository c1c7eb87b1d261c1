"""The nginx in front: what its file says (pure), and how it is told and asked."""
