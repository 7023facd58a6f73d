"""The Content-Security-Policy of the room's pages."""

# Nothing but files of this origin runs, styles or is fetched, and no attribute of an element does: whatever text of a
# call gets into a page is only text. The toolbar's fonts and pictures are files, and the empty favicon is a `data:`.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
