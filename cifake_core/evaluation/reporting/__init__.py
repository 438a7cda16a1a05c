"""The report of one run: everything known of it in one file that needs nothing else."""
