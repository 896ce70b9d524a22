"""The one normaliser that training and prediction share."""
