"""What one API call did, in the browser; for development alone."""
