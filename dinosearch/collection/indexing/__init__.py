"""One index run: what is to be done, how files become vectors, and how far the disk may fall behind."""
