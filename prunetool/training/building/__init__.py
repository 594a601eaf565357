"""From names to objects: the model, its data, the Trainer, and the weights to begin with."""
