"""How figures look: style, marks, text, themes, saving."""
