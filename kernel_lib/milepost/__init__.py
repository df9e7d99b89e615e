"""Milepost keeps what your notebook's expensive cells computed."""
