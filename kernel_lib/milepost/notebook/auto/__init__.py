"""`%tasks auto on`: cells that nobody marked are tasks."""
