"""KPIs as a file says them, to be kept beside the code: read, held against a workspace, applied, written out."""
