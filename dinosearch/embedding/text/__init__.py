"""A second space of vectors, in which images and words lie together: dino.txt over a frozen backbone."""
