"""Exporters: what writes a trained model in another form."""
