"""What takes time: threads for questions, forward passes that they share, computations and jobs behind them."""
