"""The HTTP server of dinosearch: an API under /v1, and a page for the browser."""
