"""Questions put to people: read in the dialect they were asked in, answered in the same one."""
