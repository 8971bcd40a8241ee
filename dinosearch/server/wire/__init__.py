"""What goes over the wire: questions and answers as they are checked, described and written, and errors as problems."""
