"""The Metrics page: confusion matrix, threshold, numbers, two runs compared."""
