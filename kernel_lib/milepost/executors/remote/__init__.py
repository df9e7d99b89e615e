"""A body in a worker process: how it gets there, what it shows meanwhile, and how its value comes back."""
