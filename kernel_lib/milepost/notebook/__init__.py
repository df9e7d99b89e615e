"""The notebook's face in the kernel: magics, the session behind them, capture and control."""
