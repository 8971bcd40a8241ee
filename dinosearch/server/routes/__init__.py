"""The routes of the API and of the page, one module for each kind of thing; each registers itself as `routes`."""
