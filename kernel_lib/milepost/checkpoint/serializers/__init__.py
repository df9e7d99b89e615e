"""Values to blobs and back."""
