"""A report as text: tables for people, and formats for programs."""
