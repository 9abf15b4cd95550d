"""AWD-LSTM against a plain LSTM of the same size."""
