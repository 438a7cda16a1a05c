"""Parts of the page Unseen generators."""
