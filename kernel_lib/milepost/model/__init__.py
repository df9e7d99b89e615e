"""The vocabulary: plain, frozen records and their words. Imports the standard library only."""
