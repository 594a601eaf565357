"""What ``prunetool train`` needs: a target, its data, a Trainer, and the folder of the run."""
