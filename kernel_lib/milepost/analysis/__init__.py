"""What a piece of code reads and binds, and fingerprints of code and values. Pure: no I/O, no notebook."""
