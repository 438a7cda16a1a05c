"""What several pages share: colours, pickers, the jobs panel, how errors are shown."""
