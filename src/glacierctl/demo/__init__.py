"""An analytic glacier: known texture, known motion, in the real layout."""
