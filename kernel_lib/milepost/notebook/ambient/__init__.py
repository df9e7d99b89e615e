"""State of the process that a body finds and leaves: options of libraries, the working folder, the environment."""
