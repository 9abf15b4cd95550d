"""Methods of evaluation."""
