"""What a body reads, writes and starts besides the names in its code: seen while it runs, and looked at again later."""
