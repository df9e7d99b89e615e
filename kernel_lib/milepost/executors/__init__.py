"""Where bodies run; one small file each."""
