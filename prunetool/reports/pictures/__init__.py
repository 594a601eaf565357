"""A report as pictures: one HTML file that needs nothing else, and plots in the terminal."""
