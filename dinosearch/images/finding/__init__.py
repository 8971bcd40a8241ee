"""Where images are: in folders, in tar files, at addresses; and the bytes of one of them, undecoded."""
