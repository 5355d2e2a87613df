"""Seeds and trials: what a method is fed and how a prompt is tried."""
